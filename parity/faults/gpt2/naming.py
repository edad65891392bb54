"""N and C-08: tensors under each other's names, lost, or of another model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.faults import fused
from parity.faults.edits import both, changed, filled, noisy, overwritten, reordered, swapped
from parity.faults.gpt.names import ATTENTION_OUT, FUSED, HERE, NARROW, NORMS
from parity.faults.gpt2.tensors import FINAL_NORM, WORDS
from parity.faults.values import Artifact, Edit, Fault
from parity.tensorfile import Array

_THIRDS = {"query": 0, "key": 1, "value": 2}


def _of_third(name: str, change: Callable[[Array], Array]) -> Edit:
    """One block of the fused bias goes through a function."""
    return fused.part(f"{FUSED}.bias", _THIRDS[name], change)


def _exchanged(one: str, other: str) -> Edit:
    """Two blocks of the fused kernel and bias change places."""
    places = _THIRDS[one], _THIRDS[other]
    return both(*(fused.parts_swapped(f"{FUSED}.{end}", *places) for end in ("weight", "bias")))


FAULTS = (
    *(
        Fault(
            id="N-02", variant=f"{one} and {other}", place=place,
            causes=(f"swapped: {one} and {other}",),
            what=f"{one} and {other} exchanged in the fused projection", inject=Artifact(_exchanged(one, other)),
        )
        for one, other, place in (("query", "key", HERE), ("key", "value", "past.{middle}.key"))
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
    Fault(
        id="N-06", variant="final norm", place="final_norm", causes=("norm-not-loaded: ln_f",),
        what="the final norm keeps its initial values",
        inject=Artifact(both(filled(f"{FINAL_NORM}.weight", 1), filled(f"{FINAL_NORM}.bias", 0))),
    ),
    Fault(
        id="N-06", variant="first norm", place=HERE, causes=("norm-not-loaded: ln_1",),
        what="ln_1 of one layer keeps its initial values",
        inject=Artifact(both(filled(f"{NORMS[0]}.weight", 1), filled(f"{NORMS[0]}.bias", 0))),
    ),
    Fault(
        id="N-12", variant="layers by letters", place="layer.2", causes=("layer-order: 10",), least_layers=11,
        what="layers in the order 0, 1, 10, 11, 2, ...", inject=Artifact(reordered("transformer.h.")),
    ),
    Fault(
        id="N-15", variant="query bias", place=HERE, causes=("bias-dropped: attn/c_attn/b",),
        what="the bias of the queries is lost", inject=Artifact(_of_third("query", np.zeros_like)),
    ),
    Fault(
        id="N-15", variant="value bias", place="past.{middle}.value", causes=("bias-dropped: attn/c_attn/b",),
        what="the bias of the values is lost", inject=Artifact(_of_third("value", np.zeros_like)),
    ),
    Fault(
        id="N-15", variant="key bias", place="past.{middle}.key", causes=("bias-dropped: attn/c_attn/b",),
        what="the bias of the keys is lost: softmax cancels it, and the keys that are handed on show it",
        inject=Artifact(_of_third("key", np.zeros_like)),
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
        id="C-08", variant="another step", place="embeddings",
        what="weights of another training step: every tensor off by 1e-4 of itself", inject=Artifact(noisy("", 1e-4)),
    ),
    Fault(
        id="C-08", variant="table of tokens", place="embeddings",
        what="the table of tokens of another training step", inject=Artifact(noisy(f"^{WORDS}$", 1e-4)),
    ),
)  # fmt: skip
