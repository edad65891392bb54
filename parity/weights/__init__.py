"""Which source tensor becomes which target tensor, by which reversible operation."""

from parity.weights.operations import Copy, Operation, Transpose
from parity.weights.table import BY_HAND, Drop, Move, Plan, Rule, Table, plan, reason_to_drop

__all__ = [
    "BY_HAND",
    "Copy",
    "Drop",
    "Move",
    "Operation",
    "Plan",
    "Rule",
    "Table",
    "Transpose",
    "plan",
    "reason_to_drop",
]
