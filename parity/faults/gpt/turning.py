"""T: transposes, splits, order."""

from __future__ import annotations

from parity.faults.edits import both, every, transposed
from parity.faults.fused import columns_by_head, part, parts_swapped
from parity.faults.gpt.names import FUSED, HERE, Gpt
from parity.faults.values import Artifact, Fault

_ALL = both(columns_by_head(f"{FUSED}.weight"), columns_by_head(f"{FUSED}.bias"))


def turning(names: Gpt) -> tuple[Fault, ...]:
    """The rows of one of the two."""
    return (
        Fault(
            id="T-01", variant="query part", place=HERE, causes=("untransposed: query",),
            what="the query's square part of the fused kernel lies the other way round",
            inject=Artifact(part(f"{FUSED}.weight", 0, lambda x: x.T)),
        ),
        Fault(
            id="T-02", variant="fused kernel", verdict="refused", place="Conv1D",
            what="the fused kernel is transposed as a Linear's would be",
            inject=Artifact(transposed(f"{FUSED}.weight"), scales=False),
        ),
        Fault(
            id="T-03", variant="per head, all blocks", place="layer.0",
            causes=("split-by-head",), what="all of them are", inject=Artifact(every(_ALL)),
        ),
        Fault(
            id="T-03", variant="value before key", place=names.key, causes=("swapped: key and value",),
            what="the parts lie in the order query, value, key",
            inject=Artifact(both(parts_swapped(f"{FUSED}.weight", 1, 2), parts_swapped(f"{FUSED}.bias", 1, 2))),
        ),
    )  # fmt: skip
