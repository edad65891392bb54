"""T and C-08: kernels that lie otherwise, biases of other layers, other weights."""

from __future__ import annotations

from parity.faults.edits import changed, every, noisy, overwritten, swapped
from parity.faults.values import Artifact, Edit, Fault
from parity.tensorfile import Array

HERE = "layer.{middle}"
ATTENTION = "transformer.layer.{middle}.rel_attn"


def _as_dense(kernel: Array) -> Array:
    """[model, head, size] taken for a dense kernel [in, out]."""
    return kernel.reshape(len(kernel), -1).T.reshape(kernel.shape)


def _heads_last(kernel: Array) -> Array:
    """[model, size, head] read as [model, head, size]."""
    return kernel.swapaxes(1, 2).reshape(kernel.shape)


def _first_layers(name: str) -> Edit:
    """The row of layer 0 in every layer: what is stacked taken for what is tied."""
    return every(overwritten(name, name.replace("{middle}", "0")))


FAULTS = (
    *(
        Fault(
            id="T-04", variant=part, place=HERE, causes=(f"untransposed: rel_attn/{part}",),
            what=f"{part} turned as a dense kernel is", inject=Artifact(changed(f"{ATTENTION}.{part}", _as_dense)),
        )
        for part in "qkvro"
    ),
    Fault(
        id="T-04", variant="heads", place=HERE,
        what="heads and their sizes exchanged in q", inject=Artifact(changed(f"{ATTENTION}.q", _heads_last)),
    ),
    *(
        Fault(
            id="T-05", variant=name, place="layer.1", least_layers=2, causes=("other-layer-tensor: layer 0",),
            what=f"{name} of layer 0 in every layer", inject=Artifact(_first_layers(f"{ATTENTION}.{name}")),
        )
        for name in ("r_w_bias", "r_r_bias", "r_s_bias", "seg_embed")
    ),
    Fault(
        id="T-06", variant="exchanged", place=HERE, causes=("swapped: r_w_bias",),
        what="r_w_bias and r_r_bias exchanged",
        inject=Artifact(swapped(f"{ATTENTION}.r_w_bias", f"{ATTENTION}.r_r_bias")),
    ),
    Fault(
        id="C-08", variant="another step", place="embeddings",
        what="weights of another training step: every tensor off by 1e-4 of itself", inject=Artifact(noisy("", 1e-4)),
    ),
)  # fmt: skip
