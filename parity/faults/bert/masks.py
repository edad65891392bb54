"""M: masks, segments, positions."""

from __future__ import annotations

from parity.faults.bert.tensors import POSITIONS
from parity.faults.edits import turned
from parity.faults.shared.masks import EARLY, LATE
from parity.faults.values import Artifact, Fault, Runtime

FAULTS = (
    Fault(
        id="M-01", variant="ignored", place="layer.0", causes=("mask-ignored",),
        what="the mask is not passed on", inject=Runtime("mask-ignored"),
    ),
    Fault(
        id="M-02", variant="inverted", place="layer.0", causes=("mask-inverted",),
        what="1 means padding", inject=Runtime("mask-inverted"),
    ),
    Fault(
        id="M-03", variant="swapped", place="embeddings", causes=("mask-and-types-swapped", "token-types"),
        what="mask and token types are swapped by position", inject=Runtime("mask-and-types"),
    ),
    Fault(
        id="M-04", variant="zeroed", place="embeddings", causes=("token-types-ignored",),
        what="token types never reach the model", inject=Runtime("types-zero"),
    ),
    Fault(
        id="M-04", variant="absent", place="embeddings", causes=("token-types-ignored",),
        what="the wrapper leaves the argument out", inject=Runtime("types-absent"),
    ),
    Fault(
        id="M-05", variant="as a length", place="layer.0",
        what="the mask is reduced to a length: wrong where it is not on the right", inject=Runtime("mask-as-length"),
    ),
    Fault(
        id="M-07", variant="infinite fill", verdict="equivalent",
        what="masked scores are filled with minus infinity (no row is masked entirely)",
        inject=Runtime("fill-infinite"),
    ),
    Fault(
        id="M-08", variant="fill -10000", verdict="equivalent",
        what="masked scores are filled with -10000", inject=Runtime("fill-1e4"),
    ),
    Fault(
        id="M-08", variant="fill -20000", verdict="equivalent",
        what="masked scores are filled with -20000", inject=Runtime("fill-2e4"),
    ),
    Fault(
        id="M-08", variant="fill -10", place="layer.0",
        what="masked scores are filled with -10: uniform attention leaks", inject=Runtime("fill-10"),
    ),
    Fault(
        id="M-09", variant="positions from the mask", place="embeddings", causes=(),
        what="positions are counted over real tokens only, as decoders do", inject=Runtime("positions-from-mask"),
    ),
    Fault(
        id="M-10", variant="short", place="layer.0",
        what="the mask is ignored beyond a key limit (24 here, 512 there)", inject=Runtime("mask-short"),
    ),
    *(
        Fault(
            id="M-12", variant=f"+{shift}", place="embeddings", causes=("positions-shifted",),
            what=f"the position table is read from row {shift} on",
            inject=Artifact(turned(POSITIONS, shift), scales=False),
        )
        for shift in (1, 2)
    ),
    Fault(
        id="M-12", variant="+1, held at the end", place="embeddings", causes=("positions-shifted",),
        what="positions are counted from 1, and what lies beyond the table is its last row",
        inject=Runtime("positions+1"),
    ),
    LATE,
    EARLY,
)  # fmt: skip
