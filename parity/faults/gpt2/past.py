"""M: keys and values of what came before."""

from __future__ import annotations

from parity.faults.values import Fault, Runtime

FAULTS = (
    Fault(
        id="M-09", variant="positions from zero", place="embeddings", causes=("past-ignored",),
        what="positions of a segment are counted from 0, whatever came before", inject=Runtime("positions-from-zero"),
    ),
    Fault(
        id="M-11", variant="past ignored", place="embeddings", causes=("past-ignored",),
        what="what came before is not passed on", inject=Runtime("states-absent"),
    ),
    Fault(
        id="M-11", variant="past zeroed", place="layer.0", causes=("past-zero",),
        what="keys and values of what came before are zeros", inject=Runtime("states-zero"),
    ),
    Fault(
        id="M-11", variant="past of another row", place="layer.0",
        what="the rows' pasts are in another order, as after a step of beam search",
        inject=Runtime("states-of-another-row"),
    ),
    Fault(
        id="M-11", variant="past too short", place="embeddings",
        what="the first position of what came before is lost", inject=Runtime("states-short"),
    ),
)  # fmt: skip
