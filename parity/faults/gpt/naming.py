"""N: which tensor goes where."""

from __future__ import annotations

import numpy as np

from parity.faults.edits import added, drawn, every, filled, overwritten, removed, renamed, swapped
from parity.faults.fused import part
from parity.faults.gpt.names import ATTENTION_OUT, FUSED, HERE, LOGITS, NARROW, NORM_1, NORM_2, WIDE, Gpt
from parity.faults.values import Artifact, Fault, Tensors, always
from parity.tensorfile import Array

_QUERY, _KEY, _VALUE = 0, 1, 2


def naming(names: Gpt) -> tuple[Fault, ...]:
    """The rows of one of the two."""

    def stale(tensors: Tensors) -> Array:
        """The table as it was before fine-tuning, say: noise apart from what it should be."""
        words = tensors[names.words]
        return (words + np.random.default_rng(6).normal(0, 0.01, words.shape)).astype(words.dtype)

    return (
        Fault(
            id="N-02", variant="bias overwritten", place=HERE,
            what="a bias holds another of its shape: the walk went on from the parent",
            inject=Artifact(overwritten(f"{NARROW}.bias", f"{ATTENTION_OUT}.bias")),
        ),
        Fault(
            id="N-02", variant="gamma and beta", place=HERE, causes=("swapped: ln_2",),
            what="gamma and beta of a norm are swapped", inject=Artifact(swapped(f"{NORM_2}.weight", f"{NORM_2}.bias")),
        ),
        Fault(
            id="N-06", variant="gamma alone", place=HERE, causes=("norm-not-loaded: ln_1/g",),
            what="gamma of one norm was not loaded", inject=Artifact(filled(f"{NORM_1}.weight", 1.0)),
        ),
        Fault(
            id="N-07", variant="other prefix", verdict="refused", place="missing key",
            what="every name has a prefix too many: nothing would be loaded",
            inject=Artifact(renamed(r"^transformer\.", "gpt.transformer."), scales=False),
        ),
        Fault(
            id="N-07", variant="uninitialised", verdict="completeness", place="layer.0",
            what="weights that were never loaded are not even numbers",
            inject=Artifact(every(filled(f"{FUSED}.weight", np.nan)), scales=False),
        ),
        Fault(
            id="N-13", variant="one tensor lost", place=HERE,
            what="a tensor was missing, which non-strict loading passes over, and is left at its initial values",
            inject=Artifact(drawn(f"{NARROW}.weight")),
        ),
        Fault(
            id="N-13", variant="lost in the file", verdict="refused", place="attn.c_attn.weight",
            what="a tensor is missing in the file", inject=Artifact(removed(f"{FUSED}.weight"), scales=False),
        ),
        Fault(
            id="N-14", variant="zero value", place=names.value, causes=("zero: value",),
            what="the value part of the fused kernel is filled with zeros",
            inject=Artifact(part(f"{FUSED}.weight", _VALUE, np.zeros_like)),
        ),
        Fault(
            id="N-14", variant="zero kernel", place=HERE, causes=("zero: mlp/c_proj",),
            what="a kernel is filled with zeros", inject=Artifact(filled(f"{NARROW}.weight", 0.0)),
        ),
        Fault(
            id="N-15", variant="inner bias", place=HERE, causes=("bias-dropped: mlp/c_fc",),
            what="the bias of the inner layer is zero", inject=Artifact(filled(f"{WIDE}.bias", 0.0)),
        ),
        Fault(
            id="N-17", variant="bias that no class has", verdict="refused", place="lm_head.bias",
            what="a language model's bias that neither the original nor its class has",
            inject=Artifact(added("lm_head.bias", lambda t: np.ones(len(t[names.words]), np.float32)), scales=False),
        ),
        Fault(
            id="N-18", variant="stale head", place=LOGITS,
            what="the vocabulary product has a table of its own, and an old one",
            inject=Artifact(
                added("lm_head.weight", stale), config={"tie_word_embeddings": always(False)}, scales=False
            ),
        ),
    )  # fmt: skip
