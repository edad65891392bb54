"""T: convolutions of width 1 taken for dense layers, and the fused projection cut otherwise."""

from __future__ import annotations

from parity.faults.edits import both, every, transposed
from parity.faults.gpt.names import ATTENTION_OUT, FUSED, HERE, NARROW, WIDE
from parity.faults.values import Artifact, Edit, Fault, Layout, Tensors, fill


def _per_head(name: str) -> Edit:
    """Query, key and value of one head after the other, where they lie block after block."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        found = fill(name, layout)
        x, heads = tensors[found], layout.config.heads
        split = x.reshape(*x.shape[:-1], heads, 3, -1)
        tensors[found] = split.swapaxes(-3, -2).reshape(x.shape).copy()

    return spoil


def _as_stored(name: str) -> Edit:
    """The bytes of the transposed kernel under the right shape."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        found = fill(name, layout)
        tensors[found] = tensors[found].T.copy().reshape(tensors[found].shape)

    return spoil


FAULTS = (
    Fault(
        id="T-02", variant="square kernel", place=HERE, causes=("untransposed: attn/c_proj",),
        what="the attention output is transposed as a dense kernel would be",
        inject=Artifact(transposed(f"{ATTENTION_OUT}.weight")),
    ),
    Fault(
        id="T-02", variant="square kernels, all layers", place="layer.0",
        causes=("untransposed: attn/c_proj",),
        what="every attention output is transposed", inject=Artifact(every(transposed(f"{ATTENTION_OUT}.weight"))),
    ),
    *(
        Fault(
            id="T-02", variant=f"{part} under its shape",
            place=HERE,
            what=f"the bytes of the transposed {part} under the shape of the right one",
            inject=Artifact(_as_stored(f"{name}.weight")),
        )
        for part, name in {"c_attn": FUSED, "c_fc": WIDE, "mlp/c_proj": NARROW}.items()
    ),
    Fault(
        id="T-03", variant="fused", place=HERE, causes=("split-by-head",),
        what="the fused projection is split per head in place of per block",
        inject=Artifact(both(_per_head(f"{FUSED}.weight"), _per_head(f"{FUSED}.bias"))),
    ),
)  # fmt: skip
