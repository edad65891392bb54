"""The variables of Transformer-XL's original graph, written from its model.py, not from the weight table."""

from __future__ import annotations

from parity.families.transfo_xl.heads import EMBEDDING, LM, SOFTMAX
from parity.families.transfo_xl.numbers import TransfoXLConfig, numbers
from parity.families.values import Config, Head, Variable


def variables(config: Config, head: Head, *, labels: int = 2) -> tuple[Variable, ...]:
    """Every trainable variable, in the order the original creates them.

    Args:
        config: the sizes.
        head: with or without the softmax.
        labels: of no meaning here.
    """
    given = numbers(config)
    model, attended = given.hidden_size, given.heads * given.d_head
    bias = (given.layers, given.heads, given.d_head) if given.untie_r else (given.heads, given.d_head)
    # An odd d_model gets one sinusoid more than it has channels.
    positions = 2 * ((model + 1) // 2)
    found = [Variable(f"transformer/{name}", bias, "bias") for name in ("r_w_bias", "r_r_bias")]
    found += _embedding(given)
    for i in range(given.layers):
        layer = f"transformer/layer_{i}"
        found += [
            Variable(f"{layer}/rel_attn/qkv/kernel", (model, 3 * attended), "kernel"),
            Variable(f"{layer}/rel_attn/r/kernel", (positions, attended), "kernel"),
            Variable(f"{layer}/rel_attn/o/kernel", (attended, model), "kernel"),
            *_norm(f"{layer}/rel_attn", model),
            *_dense(f"{layer}/ff/layer_1", model, given.intermediate_size),
            *_dense(f"{layer}/ff/layer_2", given.intermediate_size, model),
            *_norm(f"{layer}/ff", model),
        ]
    return (*found, *(_softmax(given) if head.name == LM.name else ()))


def _embedding(config: TransfoXLConfig) -> list[Variable]:
    found = []
    for k, (first, end) in enumerate(config.tables):
        scope = EMBEDDING if config.div_val == 1 else f"{EMBEDDING}cutoff_{k}/"
        found.append(Variable(f"{scope}lookup_table", (end - first, config.width(k)), "embedding"))
        if config.embedding_projected(k):
            found.append(Variable(f"{scope}proj_W", (config.width(k), config.hidden_size), "kernel"))
    return found


def _softmax(config: TransfoXLConfig) -> list[Variable]:
    if not config.cutoffs:
        return [Variable(f"{SOFTMAX}bias", (config.vocab_size,), "bias")]
    found = []
    for k, (first, end) in enumerate(config.clusters):
        scope = f"{SOFTMAX}cutoff_{k}/"
        found.append(Variable(f"{scope}b", (end - first,), "bias"))
        if config.softmax_projection(k) == "own":
            found.append(Variable(f"{scope}proj", (config.width(k), config.hidden_size), "kernel"))
        if k == 0:
            found.append(Variable(f"{scope}cluster_W", (len(config.cutoffs), config.d_embed), "kernel"))
            found.append(Variable(f"{scope}cluster_b", (len(config.cutoffs),), "bias"))
    return found


def _dense(scope: str, inputs: int, outputs: int) -> list[Variable]:
    return [Variable(f"{scope}/kernel", (inputs, outputs), "kernel"), Variable(f"{scope}/bias", (outputs,), "bias")]


def _norm(scope: str, size: int) -> list[Variable]:
    return [
        Variable(f"{scope}/LayerNorm/beta", (size,), "beta"),
        Variable(f"{scope}/LayerNorm/gamma", (size,), "gamma"),
    ]
