"""K, M, U and D: segments of <cls>, distances, memory, dropout."""

from __future__ import annotations

from parity.faults.values import Fault, Runtime

FAULTS = (
    Fault(
        id="K-09", variant="fed", place="layer.0", causes=("cls-segment",),
        what="<cls> is fed with the first text's segment", inject=Runtime("types-of-cls"),
    ),
    Fault(
        id="M-08", variant="fill -10", place="layer.0",
        what="hidden scores are filled with -10: uniform attention leaks", inject=Runtime("hidden-10"),
    ),
    Fault(
        id="M-11", variant="memory ignored", place="layer.0", causes=("memory-ignored",),
        what="the memory is not passed on", inject=Runtime("states-absent"),
    ),
    Fault(
        id="M-11", variant="memory zeroed", place="layer.0", causes=("memory-zero",),
        what="every segment begins with zeros", inject=Runtime("states-zero"),
    ),
    Fault(
        id="M-11", variant="memory one late", place="layer.0",
        what="the memory is turned by one position", inject=Runtime("states-late"),
    ),
    Fault(
        id="R-11", variant="half", verdict="refused", place="dtype",
        what="the model silently became float16: its second stream meets float32",
        inject=Runtime(settings={"dtype": "float16"}),
    ),
    Fault(
        id="U-01", variant="left on", place="mems.0",
        what="dropout is left on", inject=Runtime("dropout"),
    ),
    Fault(
        id="D-01", variant="scores unscaled", place="layer.{middle}", causes=("scale",),
        what="the scores of one layer are not divided by the root of the head's size",
        inject=Runtime("scores-unscaled"),
    ),
    Fault(
        id="D-01", variant="distances one late", place="layer.{middle}",
        what="the scores of distances are shifted by one too few", inject=Runtime("distances-late"),
    ),
)  # fmt: skip
