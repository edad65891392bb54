"""N, T and C-08: tensors under each other's names, lost, turned, cut otherwise, or of another model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.faults import fused
from parity.faults.edits import both, changed, every, filled, noisy, overwritten, reordered, swapped, transposed
from parity.faults.gpt.names import ATTENTION_OUT, FUSED, HERE, NARROW, NORMS, WIDE
from parity.faults.openai_gpt.tensors import WORDS
from parity.faults.values import Artifact, Edit, Fault, Layout, Tensors, fill
from parity.tensorfile import Array

_THIRDS = {"query": 0, "key": 1, "value": 2}


def _of_third(name: str, change: Callable[[Array], Array]) -> Edit:
    """One block of the fused bias goes through a function."""
    return fused.part(f"{FUSED}.bias", _THIRDS[name], change)


def _exchanged(one: str, other: str) -> Edit:
    """Two blocks of the fused kernel and bias change places."""
    places = _THIRDS[one], _THIRDS[other]
    return both(*(fused.parts_swapped(f"{FUSED}.{end}", *places) for end in ("weight", "bias")))


def _per_head(name: str) -> Edit:
    """Query, key and value of one head after the other, where they lie block after block."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        found = fill(name, layout)
        x, heads = tensors[found], layout.config.heads
        split = x.reshape(*x.shape[:-1], heads, 3, -1)
        tensors[found] = split.swapaxes(-3, -2).reshape(x.shape).copy()

    return spoil


_TURNED = ("transposed: attn/c_proj", "untransposed: attn/c_proj")
FAULTS = (
    *(
        Fault(
            id="N-02", variant=f"{one} and {other}", place=HERE,
            causes=(f"swapped: {one} and {other}",),
            what=f"{one} and {other} exchanged in the fused projection", inject=Artifact(_exchanged(one, other)),
        )
        for one, other in (("query", "key"), ("key", "value"))
    ),
    Fault(
        id="N-02", variant="norms", place=HERE, causes=("swapped: ln_",),
        what="ln_1 and ln_2 of one layer exchanged",
        inject=Artifact(both(*(swapped(f"{NORMS[0]}.{part}", f"{NORMS[1]}.{part}") for part in ("weight", "bias")))),
    ),
    Fault(
        id="N-02", variant="one tensor of layer 0", place="layer.1", least_layers=2,
        causes=("other-layer-tensor: attn/c_proj/w",),
        what="layer 1 holds the attention output kernel of layer 0",
        inject=Artifact(overwritten("transformer.h.1.attn.c_proj.weight", "transformer.h.0.attn.c_proj.weight")),
    ),
    *(
        Fault(
            id="N-06", variant=name.rpartition(".")[2], place=HERE,
            causes=(f"norm-not-loaded: {name.rpartition('.')[2]}",),
            what="a norm of one layer keeps its initial values",
            inject=Artifact(both(filled(f"{name}.weight", 1), filled(f"{name}.bias", 0))),
        )
        for name in NORMS
    ),
    Fault(
        id="N-12", variant="layers by letters", place="layer.2", causes=("layer-order: 10",), least_layers=11,
        what="layers in the order 0, 1, 10, 11, 2, ...", inject=Artifact(reordered("transformer.h.")),
    ),
    *(
        Fault(
            id="N-15", variant=f"{part} bias", place=HERE, causes=(f"bias-dropped: {part}",),
            what=f"the bias of the {part} is lost", inject=Artifact(_of_third(part, np.zeros_like)),
        )
        for part in ("query", "value")
    ),
    Fault(
        id="N-15", variant="key bias", verdict="weight proof", place=f"{FUSED}.bias",
        what="the bias of the keys is lost: softmax cancels it", inject=Artifact(_of_third("key", np.zeros_like)),
    ),
    Fault(
        id="N-15", variant="attention output bias", place=HERE, causes=("bias-dropped: attn/c_proj",),
        what="the bias of an attention output is lost", inject=Artifact(filled(f"{ATTENTION_OUT}.bias", 0)),
    ),
    Fault(
        id="N-16", variant="output bias", place=HERE, causes=("bias-doubled: mlp/c_proj",),
        what="a bias is added twice", inject=Artifact(changed(f"{NARROW}.bias", lambda x: 2 * x)),
    ),
    Fault(
        id="T-02", variant="square kernel", place=HERE, causes=_TURNED,
        what="the attention output is transposed as a dense kernel would be",
        inject=Artifact(transposed(f"{ATTENTION_OUT}.weight")),
    ),
    Fault(
        id="T-02", variant="square kernels, all layers", place="layer.0", causes=_TURNED,
        what="every attention output is transposed", inject=Artifact(every(transposed(f"{ATTENTION_OUT}.weight"))),
    ),
    *(
        Fault(
            id="T-02", variant=f"{part} under its shape", place=HERE,
            what=f"the bytes of the transposed {part} under the shape of the right one",
            inject=Artifact(changed(f"{name}.weight", lambda x: x.T.copy().reshape(x.shape))),
        )
        for part, name in {"c_attn": FUSED, "c_fc": WIDE, "mlp/c_proj": NARROW}.items()
    ),
    Fault(
        id="T-03", variant="fused", place=HERE, causes=("split-by-head",),
        what="the fused projection is split per head in place of per block",
        inject=Artifact(both(_per_head(f"{FUSED}.weight"), _per_head(f"{FUSED}.bias"))),
    ),
    Fault(
        id="C-08", variant="another step", place="embeddings",
        what="weights of another training step: every tensor off by 1e-4 of itself", inject=Artifact(noisy("", 1e-4)),
    ),
    Fault(
        id="C-08", variant="table of tokens", place="embeddings",
        what="the table of tokens of another training step", inject=Artifact(noisy(f"^{WORDS}$", 1e-4)),
    ),
)  # fmt: skip
