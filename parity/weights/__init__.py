"""Which source tensor becomes which target tensor, by which reversible operation."""

from parity.weights.operations import (
    Copy,
    Cut,
    Operation,
    Part,
    Row,
    Squeeze,
    Stacked,
    Transpose,
    Unsqueeze,
    operation,
)
from parity.weights.sharing import Merged, Same, Zeros
from parity.weights.table import BY_HAND, Drop, Move, Plan, Rule, Table, plan, reason_to_drop

__all__ = [
    "BY_HAND",
    "Copy",
    "Cut",
    "Drop",
    "Merged",
    "Move",
    "Operation",
    "Part",
    "Plan",
    "Row",
    "Rule",
    "Same",
    "Squeeze",
    "Stacked",
    "Table",
    "Transpose",
    "Unsqueeze",
    "Zeros",
    "operation",
    "plan",
    "reason_to_drop",
]
