"""R: what was read into the artifact in place of a variable."""

from __future__ import annotations

from parity.faults.edits import drawn, scrambled, spoilt_row
from parity.faults.gpt.names import FUSED, HERE, LOGITS, WIDE, Gpt
from parity.faults.values import Artifact, Fault


def loaded(names: Gpt) -> tuple[Fault, ...]:
    """The rows of one of the two."""
    return (
        Fault(
            id="R-01", variant="slot loaded", place=HERE,
            what="the fused kernel holds its Adam moment", inject=Artifact(drawn(f"{FUSED}.weight", 1e-4)),
        ),
        Fault(
            id="R-12", variant="view saved", place=HERE,
            what="a transposed view was saved as if contiguous: right shape, other bytes",
            inject=Artifact(scrambled(f"{WIDE}.weight")),
        ),
        Fault(
            id="R-14", variant="row that no input touches", place=LOGITS,
            what="a vocabulary row that no input touches is zero: the tied product shows it",
            inject=Artifact(spoilt_row(names.words, lambda layout: layout.unused_row)),
        ),
    )  # fmt: skip
