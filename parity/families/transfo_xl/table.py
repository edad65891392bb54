"""Transformer-XL's weight table: TensorFlow's variables beside the names of the class that transformers had.

Kernels and projections are turned ([in, out] becomes [out, in]); tables and the biases of relative attention are not.
One list of relative biases [layers, heads, width] becomes one tensor for each layer; biases that all layers share stay
one tensor, under which every layer's name is tied.
"""

from __future__ import annotations

from collections.abc import Collection

from parity.families.transfo_xl.heads import EMBEDDING, LM, SOFTMAX
from parity.families.transfo_xl.numbers import TransfoXLConfig, numbers
from parity.families.transfo_xl.tensors import layers
from parity.families.values import Config, Head
from parity.weights import Drop, Part, Rule, Table, Transpose

_T = Transpose()
_BODY = "transformer."
_TF, _HF = "transformer/layer_{i}/", _BODY + "layers.{i}."
_LAYERS = (
    Rule(_TF + "rel_attn/qkv/kernel", _HF + "dec_attn.qkv_net.weight", _T),
    Rule(_TF + "rel_attn/r/kernel", _HF + "dec_attn.r_net.weight", _T),
    Rule(_TF + "rel_attn/o/kernel", _HF + "dec_attn.o_net.weight", _T),
    Rule(_TF + "rel_attn/LayerNorm/gamma", _HF + "dec_attn.layer_norm.weight"),
    Rule(_TF + "rel_attn/LayerNorm/beta", _HF + "dec_attn.layer_norm.bias"),
    Rule(_TF + "ff/layer_1/kernel", _HF + "pos_ff.CoreNet.0.weight", _T),
    Rule(_TF + "ff/layer_1/bias", _HF + "pos_ff.CoreNet.0.bias"),
    Rule(_TF + "ff/layer_2/kernel", _HF + "pos_ff.CoreNet.3.weight", _T),
    Rule(_TF + "ff/layer_2/bias", _HF + "pos_ff.CoreNet.3.bias"),
    Rule(_TF + "ff/LayerNorm/gamma", _HF + "pos_ff.layer_norm.weight"),
    Rule(_TF + "ff/LayerNorm/beta", _HF + "pos_ff.layer_norm.bias"),
)
_BIASES = ("r_w_bias", "r_r_bias")
_STATE = tuple(
    Drop(name, "training state, not part of the model") for name in ("global_step", "beta1_power*", "beta2_power*")
)
_LEFT = Drop(f"{SOFTMAX}*", "part of head lm, which --head none leaves out")


def table(config: Config, head: Head) -> Table:
    """The rules for `head`'s class; without a head the softmax is dropped, and the proof says so."""
    given = numbers(config)
    rules = [*_relative(given), *_embedding(given), *_LAYERS]
    tied = (
        []
        if given.untie_r
        else [(f"{_HF}dec_attn.{name}".format(i=i), f"{_BODY}{name}") for name in _BIASES for i in range(given.layers)]
    )
    if head.name == LM.name:
        return Table((*rules, *_softmax(given)), given.layers, drops=_STATE, tied=(*tied, *_tied(given)))
    # The bare model keeps its parameters without the prefix.
    bare = tuple(Rule(rule.source, rule.target.removeprefix(_BODY), rule.operation) for rule in rules)
    short = tuple((name.removeprefix(_BODY), other.removeprefix(_BODY)) for name, other in tied)
    return Table(bare, given.layers, drops=(*_STATE, _LEFT), tied=short)


def _relative(config: TransfoXLConfig) -> list[Rule]:
    # `{i}` in the target alone: each layer takes its row.
    target = f"{_HF}dec_attn." if config.untie_r else _BODY
    return [Rule(f"transformer/{name}", f"{target}{name}") for name in _BIASES]


def _embedding(config: TransfoXLConfig) -> list[Rule]:
    rules = []
    for k in range(len(config.tables)):
        scope = EMBEDDING if config.div_val == 1 else f"{EMBEDDING}cutoff_{k}/"
        rules.append(Rule(f"{scope}lookup_table", f"{_BODY}word_emb.emb_layers.{k}.weight"))
        if config.embedding_projected(k):
            rules.append(Rule(f"{scope}proj_W", f"{_BODY}word_emb.emb_projs.{k}", _T))
    return rules


def _softmax(config: TransfoXLConfig) -> list[Rule]:
    if not config.cutoffs:
        return [Rule(f"{SOFTMAX}bias", "crit.out_layers.0.bias")]
    rules = [
        Rule(f"{SOFTMAX}cutoff_0/cluster_W", "crit.cluster_weight"),
        Rule(f"{SOFTMAX}cutoff_0/cluster_b", "crit.cluster_bias"),
    ]
    for k, (first, end) in enumerate(config.clusters):
        if config.div_val == 1:
            # One layer for the whole vocabulary there, one bias for each cluster here.
            part = Part(first, end, config.vocab_size)
            rules.append(Rule(f"{SOFTMAX}cutoff_{k}/b", "crit.out_layers.0.bias", part))
        else:
            rules.append(Rule(f"{SOFTMAX}cutoff_{k}/b", f"crit.out_layers.{k}.bias"))
    own = (k for k in range(len(config.clusters)) if config.softmax_projection(k) == "own")
    return [*rules, *(Rule(f"{SOFTMAX}cutoff_{k}/proj", f"crit.out_projs.{k}", _T) for k in own)]


def _tied(config: TransfoXLConfig) -> list[tuple[str, str]]:
    embedding = f"{_BODY}word_emb."
    weights = [(f"crit.out_layers.{k}.weight", f"{embedding}emb_layers.{k}.weight") for k in range(len(config.tables))]
    projections = [
        (f"crit.out_projs.{k}", f"{embedding}emb_projs.{0 if config.div_val == 1 else k}")
        for k in range(len(config.clusters))
        if config.softmax_projection(k) == "tied"
    ]
    return [*weights, *projections]


def known(names: Collection[str]) -> tuple[frozenset[str], tuple[Drop, ...]]:
    """Every variable that some flags' graph of this depth has, and the training state beside them."""
    found = {f"transformer/{name}" for name in _BIASES}
    found |= {rule.source for rule in Table(_LAYERS, layers(names)).expanded()}
    found |= {f"{EMBEDDING}{name}" for name in ("lookup_table", "proj_W")} | {f"{SOFTMAX}bias"}
    for k in range(sum(name.startswith((EMBEDDING, SOFTMAX)) for name in names)):
        found |= {f"{EMBEDDING}cutoff_{k}/{name}" for name in ("lookup_table", "proj_W")}
        found |= {f"{SOFTMAX}cutoff_{k}/{name}" for name in ("b", "proj", "cluster_W", "cluster_b")}
    return frozenset(found), _STATE
