"""N: which tensor goes where."""

from __future__ import annotations

import numpy as np

from parity.faults.bert.tensors import (
    ATTENTION_NORM,
    ATTENTION_OUT,
    DECODER,
    EMBEDDINGS_NORM,
    HERE,
    KEY,
    MLM_BIAS,
    NARROW,
    NORM,
    NSP,
    POOLER,
    QUERY,
    VALUE,
    WORDS,
)  # fmt: skip
from parity.faults.edits import (
    added,
    both,
    drawn,
    every,
    filled,
    overwritten,
    removed,
    renamed,
    reordered,
    scaled,
    swapped,
)  # fmt: skip
from parity.faults.values import Artifact, Fault, Layout, Source, Tensors, always
from parity.tensorfile import Array


def _ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def _to_head(tensors: Tensors, layout: Layout, *, scope: str, weights: str, bias: str) -> None:
    """Pre-training heads give way to a fine-tuned one of two outputs."""
    for name in [name for name in tensors if name.startswith("cls/")]:
        del tensors[name]
    tensors[scope + weights] = _ones(2, layout.config.hidden_size)
    if bias:
        tensors[scope + bias] = _ones(2)


def _misnamed_squad(tensors: Tensors, layout: Layout) -> None:
    _to_head(tensors, layout, scope="squad/", weights="output_weights", bias="output_bias")


def _half_classifier(tensors: Tensors, layout: Layout) -> None:
    _to_head(tensors, layout, scope="", weights="output_weights", bias="")


def _stale_decoder(tensors: Tensors) -> Array:
    """The table as it was before fine-tuning, say: noise apart from what it should be."""
    words = tensors[WORDS]
    return (words + np.random.default_rng(6).normal(0, 0.01, words.shape)).astype(words.dtype)


_NORM_FRESH = both(filled(f"{NORM}.weight", 1.0), filled(f"{NORM}.bias", 0.0))
_UNTIED = {"tie_word_embeddings": always(False)}

FAULTS = (
    Fault(
        id="N-01", variant="unknown scope", verdict="refused", place="bert/adapter/dense/kernel",
        what="a fine-tuned module that no table knows",
        inject=Source(added("bert/adapter/dense/kernel", lambda t: _ones(4, 4))),
    ),
    Fault(
        id="N-01", variant="head without a place", verdict="refused", place="NOT_FOUND",
        what="a tensor of the head lies under a name its class does not have",
        inject=Artifact(renamed(r"^cls\.seq_relationship\.weight$", "cls.NOT_FOUND.weight"), scales=False),
    ),
    Fault(
        id="N-02", variant="bias overwritten", place=HERE,
        what="a bias holds another of its shape: the walk went on from the parent",
        inject=Artifact(overwritten(f"{NARROW}.bias", f"{ATTENTION_OUT}.bias")),
    ),
    Fault(
        id="N-02", variant="query and key", place=HERE, causes=("swapped: query",),
        what="query and key kernels are swapped", inject=Artifact(swapped(f"{QUERY}.weight", f"{KEY}.weight")),
    ),
    Fault(
        id="N-02", variant="query and key, all layers", place="layer.0",
        causes=("swapped: query", "outputs-swapped: query"),
        what="query and key are swapped everywhere, biases too",
        inject=Artifact(every(both(
            swapped(f"{QUERY}.weight", f"{KEY}.weight"), swapped(f"{QUERY}.bias", f"{KEY}.bias")
        ))),
    ),
    Fault(
        id="N-02", variant="key and value", place=HERE, causes=("swapped: value",),
        what="key and value kernels are swapped", inject=Artifact(swapped(f"{KEY}.weight", f"{VALUE}.weight")),
    ),
    Fault(
        id="N-02", variant="value and output", place=HERE, causes=("swapped: value",),
        what="value and output kernels are swapped",
        inject=Artifact(swapped(f"{VALUE}.weight", f"{ATTENTION_OUT}.weight")),
    ),
    Fault(
        id="N-02", variant="norms", place=HERE, causes=("swapped: LayerNorm",),
        what="the two norms of a layer are swapped",
        inject=Artifact(both(
            swapped(f"{NORM}.weight", f"{ATTENTION_NORM}.weight"), swapped(f"{NORM}.bias", f"{ATTENTION_NORM}.bias")
        )),
    ),
    Fault(
        id="N-02", variant="gamma and beta", place=HERE, causes=("swapped: LayerNorm",),
        what="gamma and beta of a norm are swapped", inject=Artifact(swapped(f"{NORM}.weight", f"{NORM}.bias")),
    ),
    Fault(
        id="N-02", variant="one tensor of the layer before", place=HERE, causes=("other-layer-tensor: value/kernel",),
        what="a layer has the value kernel of the one before", least_layers=2,
        inject=Artifact(overwritten(f"{VALUE}.weight", f"{VALUE}.weight".replace("{middle}", "{before}"))),
    ),
    Fault(
        id="N-03", variant="misnamed scope", verdict="refused", place="squad/output_weights",
        what="a question answering head under squad/ in place of cls/squad/", inject=Source(_misnamed_squad),
    ),
    Fault(
        id="N-04", variant="dead attribute", verdict="refused", place="cls.seq_relationship.weight",
        what="the head was loaded into another attribute, and the real one is left at random",
        inject=Artifact(both(
            added("weight", lambda t: _ones(2, 4)), removed(f"{NSP}.weight"), removed(f"{NSP}.bias")
        ), scales=False),
    ),
    Fault(
        id="N-04", variant="left at random", place="logits.nsp",
        what="the head's weights are freshly drawn", inject=Artifact(drawn(f"{NSP}.weight")),
    ),
    Fault(
        id="N-05", variant="half a classifier", verdict="refused", place="output_bias",
        what="root-level output_weights without output_bias", inject=Source(_half_classifier),
    ),
    Fault(
        id="N-06", variant="output norm", place=HERE, causes=("norm-not-loaded: output/LayerNorm",),
        what="gamma and beta of one norm were not loaded", inject=Artifact(_NORM_FRESH),
    ),
    Fault(
        id="N-06", variant="gamma alone", place=HERE, causes=("norm-not-loaded: output/LayerNorm/gamma",),
        what="gamma of one norm was not loaded", inject=Artifact(filled(f"{NORM}.weight", 1.0)),
    ),
    Fault(
        id="N-06", variant="attention norm", place=HERE, causes=("norm-not-loaded: attention/output/LayerNorm",),
        what="beta of the norm after attention was not loaded", inject=Artifact(filled(f"{ATTENTION_NORM}.bias", 0.0)),
    ),
    Fault(
        id="N-06", variant="embeddings", place="embeddings", causes=("norm-not-loaded: embeddings/LayerNorm",),
        what="the embeddings' norm was not loaded",
        inject=Artifact(both(filled(f"{EMBEDDINGS_NORM}.weight", 1.0), filled(f"{EMBEDDINGS_NORM}.bias", 0.0))),
    ),
    Fault(
        id="N-06", variant="all norms", place="embeddings", causes=("norm-not-loaded: embeddings/LayerNorm",),
        what="no norm of the encoder was loaded",
        inject=Artifact(both(
            filled(f"{EMBEDDINGS_NORM}.weight", 1.0), filled(f"{EMBEDDINGS_NORM}.bias", 0.0), every(_NORM_FRESH)
        )),
    ),
    Fault(
        id="N-07", variant="other prefix", verdict="refused", place="state dict",
        what="every name has a prefix too many: nothing would be loaded",
        inject=Artifact(renamed(r"^bert\.", "transformer.bert."), scales=False),
    ),
    Fault(
        id="N-07", variant="uninitialised", verdict="completeness", place="layer.0",
        what="weights that were never loaded are not even numbers",
        inject=Artifact(every(filled(f"{VALUE}.weight", np.nan)), scales=False),
    ),
    Fault(
        id="N-12", variant="layers by letters", place="layer.2", causes=("layer-order: 10",), least_layers=11,
        what="layers in the order 0, 1, 10, 11, 2, ...", inject=Artifact(reordered("bert.encoder.layer.")),
    ),
    Fault(
        id="N-13", variant="one tensor lost", place=HERE,
        what="a tensor was missing, which non-strict loading passes over, and is left at its initial values",
        inject=Artifact(drawn(f"{NARROW}.weight")),
    ),
    Fault(
        id="N-13", variant="lost in the file", verdict="refused", place="attention.self.query.weight",
        what="a tensor is missing in the file", inject=Artifact(removed(f"{QUERY}.weight"), scales=False),
    ),
    Fault(
        id="N-14", variant="zero key and value", place=HERE, causes=("zero: value", "zero: key"),
        what="key and value of one layer are filled with zeros",
        inject=Artifact(both(filled(f"{KEY}.weight", 0.0), filled(f"{VALUE}.weight", 0.0))),
    ),
    Fault(
        id="N-14", variant="zero value", place=HERE, causes=("zero: value",),
        what="the value kernel of one layer is filled with zeros", inject=Artifact(filled(f"{VALUE}.weight", 0.0)),
    ),
    Fault(
        id="N-15", variant="vocabulary bias", place="logits.mlm", causes=("bias-dropped: output_bias",),
        what="the language model's bias was not loaded", inject=Artifact(filled(MLM_BIAS, 0.0)),
    ),
    Fault(
        id="N-15", variant="value bias", place=HERE, causes=("bias-dropped: value",),
        what="the value bias of one layer is zero", inject=Artifact(filled(f"{VALUE}.bias", 0.0)),
    ),
    Fault(
        id="N-15", variant="query bias", place=HERE, causes=("bias-dropped: query",),
        what="the query bias of one layer is zero", inject=Artifact(filled(f"{QUERY}.bias", 0.0)),
    ),
    Fault(
        id="N-15", variant="pooler bias", place="pooler", causes=("bias-dropped: pooler",),
        what="the pooler's bias is zero", inject=Artifact(filled(f"{POOLER}.bias", 0.0)),
    ),
    Fault(
        id="N-15", variant="key bias", verdict="weight proof", place=f"{KEY}.bias",
        what="the key bias of one layer is zero: no softmax can show it", inject=Artifact(filled(f"{KEY}.bias", 0.0)),
    ),
    Fault(
        id="N-15", variant="key bias, all layers", verdict="weight proof", place="attention.self.key.bias",
        what="the key bias of every layer is zero", inject=Artifact(every(filled(f"{KEY}.bias", 0.0))),
    ),
    Fault(
        id="N-16", variant="vocabulary bias", place="logits.mlm", causes=("bias-doubled: output_bias",),
        what="the language model's bias is added twice", inject=Artifact(scaled(MLM_BIAS, 2.0)),
    ),
    Fault(
        id="N-16", variant="attention output bias", place=HERE, causes=("bias-doubled: attention/output",),
        what="a layer's attention output bias is added twice", inject=Artifact(scaled(f"{ATTENTION_OUT}.bias", 2.0)),
    ),
    Fault(
        id="N-16", variant="key bias", verdict="weight proof", place=f"{KEY}.bias",
        what="the key bias of one layer is added twice", inject=Artifact(scaled(f"{KEY}.bias", 2.0)),
    ),
    Fault(
        id="N-17", variant="bias not in the file", verdict="refused", place="cls.predictions.bias",
        what="the loader skips the head's prefix as tied, its bias along with it",
        inject=Artifact(removed(MLM_BIAS), scales=False),
    ),
    Fault(
        id="N-18", variant="stale decoder", place="logits.mlm", causes=(),
        what="the vocabulary product has a table of its own, and an old one",
        inject=Artifact(added(DECODER, _stale_decoder), config=_UNTIED, scales=False),
    ),
    Fault(
        id="N-20", variant="foreign scope", verdict="refused", place="bert",
        what="a graph of other scopes", inject=Source(renamed(r"^bert/encoder/layer_", "bert/transformer/block_")),
    ),
    Fault(
        id="N-21", variant="config of another size", verdict="refused", place="hidden_size",
        what="the config of another size lies beside the checkpoint",
        inject=Source(config={"hidden_size": always(768), "num_attention_heads": always(12)}),
    ),
)  # fmt: skip
