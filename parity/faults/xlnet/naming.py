"""R and N: what is read, and which tensor goes where."""

from __future__ import annotations

import numpy as np

from parity.faults.edits import (
    added,
    both,
    drawn,
    filled,
    overwritten,
    removed,
    renamed,
    reordered,
    scaled,
    scrambled,
    spoilt_row,
    swapped,
)  # fmt: skip
from parity.faults.values import Artifact, Fault, Source, Tensors, always
from parity.tensorfile import Array

HERE = "layer.{middle}"
_LAYER = "transformer.layer.{middle}."
_ATTENTION, _FF = f"{_LAYER}rel_attn", f"{_LAYER}ff"
WIDE, _NARROW = f"{_FF}.layer_1", f"{_FF}.layer_2"
_NORM, _ATTENTION_NORM = f"{_FF}.layer_norm", f"{_ATTENTION}.layer_norm"
_WORDS = "transformer.word_embedding.weight"


def _ones(tensors: Tensors) -> Array:
    return np.ones(4, np.float32)


FAULTS = (
    Fault(
        id="R-01", variant="slot glued to the name", verdict="refused", place="adam_m",
        what="an Adam slot's name is joined to its variable's without a slash",
        inject=Source(added("model/transformer/layer_0/ff/layer_1/kernel_adam_m", _ones)),
    ),
    Fault(
        id="R-03", variant="unknown scalar", verdict="refused", place="examples_seen",
        what="a training counter that is no variable of the model",
        inject=Source(added("examples_seen", lambda tensors: np.array(7, np.int64))),
    ),
    Fault(
        id="R-12", variant="view saved", place=HERE,
        what="a transposed view was saved as if contiguous: right shape, other bytes",
        inject=Artifact(scrambled(f"{WIDE}.weight")),
    ),
    Fault(
        id="R-14", variant="row that no input touches", place="logits.lm",
        what="a vocabulary row that no input touches is zero: the tied product shows it",
        inject=Artifact(spoilt_row(_WORDS, lambda layout: layout.unused_row)),
    ),
    Fault(
        id="N-01", variant="unknown scope", verdict="refused", place="model/adapter/kernel",
        what="a fine-tuned module that no table knows", inject=Source(added("model/adapter/kernel", _ones)),
    ),
    Fault(
        id="N-02", variant="query and key", place=HERE, causes=("swapped: rel_attn",),
        what="query and key kernels are swapped", inject=Artifact(swapped(f"{_ATTENTION}.q", f"{_ATTENTION}.k")),
    ),
    Fault(
        id="N-02", variant="norms", place=HERE, causes=("swapped: LayerNorm",),
        what="the two norms of a layer are swapped",
        inject=Artifact(both(
            swapped(f"{_NORM}.weight", f"{_ATTENTION_NORM}.weight"), swapped(f"{_NORM}.bias", f"{_ATTENTION_NORM}.bias")
        )),
    ),
    Fault(
        id="N-02", variant="one tensor of the layer before", place=HERE,
        causes=("other-layer-tensor: rel_attn/v/kernel",), least_layers=2,
        what="a layer has the value kernel of the one before",
        inject=Artifact(overwritten(f"{_ATTENTION}.v", f"{_ATTENTION}.v".replace("{middle}", "{before}"))),
    ),
    Fault(
        id="N-06", variant="norm", place=HERE, causes=("norm-not-loaded: ff/LayerNorm",),
        what="gamma and beta of one norm were not loaded",
        inject=Artifact(both(filled(f"{_NORM}.weight", 1.0), filled(f"{_NORM}.bias", 0.0))),
    ),
    Fault(
        id="N-07", variant="other prefix", verdict="refused", place="corrupted",
        what="every name has a prefix too many: nothing would be loaded",
        inject=Artifact(renamed(r"^transformer\.", "xlnet.transformer."), scales=False),
    ),
    Fault(
        id="N-09", variant="spelling corrected", verdict="refused", place="model/sequence_summary/summary/kernel",
        what="the summary's scope is spelt right, which the original never did",
        inject=Source(added(
            "model/sequence_summary/summary/kernel", lambda t: np.ones((4, 4), np.float32)
        )),
    ),
    Fault(
        id="N-12", variant="layers by letters", place="layer.2", causes=("layer-order: 10",), least_layers=11,
        what="layers in the order 0, 1, 10, 11, 2, ...", inject=Artifact(reordered("transformer.layer.")),
    ),
    Fault(
        id="N-13", variant="one tensor lost", place=HERE,
        what="a tensor was missing, which non-strict loading passes over, and is left at its initial values",
        inject=Artifact(drawn(f"{_NARROW}.weight")),
    ),
    Fault(
        id="N-13", variant="lost in the file", verdict="refused", place="rel_attn.q",
        what="a tensor is missing in the file", inject=Artifact(removed(f"{_ATTENTION}.q"), scales=False),
    ),
    Fault(
        id="N-14", variant="zero value", place=HERE, causes=("zero: rel_attn/v",),
        what="the value kernel of one layer is filled with zeros", inject=Artifact(filled(f"{_ATTENTION}.v", 0.0)),
    ),
    Fault(
        id="N-15", variant="vocabulary bias", place="logits.lm", causes=("bias-dropped: lm_loss/bias",),
        what="the language model's bias was not loaded", inject=Artifact(filled("lm_loss.bias", 0.0)),
    ),
    Fault(
        id="N-15", variant="content bias", place=HERE, causes=("bias-dropped: r_w_bias",),
        what="r_w_bias of one layer is zero: here it is no key's bias, and shows",
        inject=Artifact(filled(f"{_ATTENTION}.r_w_bias", 0.0)),
    ),
    Fault(
        id="N-16", variant="vocabulary bias", place="logits.lm", causes=("bias-doubled: lm_loss/bias",),
        what="the language model's bias is added twice", inject=Artifact(scaled("lm_loss.bias", 2.0)),
    ),
    Fault(
        id="N-21", variant="config of another size", verdict="refused", place="d_model",
        what="the config of another size lies beside the checkpoint",
        inject=Source(config={"d_model": always(1024), "n_head": always(16), "d_head": always(64)}),
    ),
)  # fmt: skip
