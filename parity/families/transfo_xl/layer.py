"""One layer of the original, op for op: rel_multihead_attn, rel_shift, positionwise_FF, _cache_mem of tf/model.py.

Shapes: B rows, T tokens, M tokens of memory, J = M + T, D d_model, N heads, d d_head.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.families.transfo_xl.numbers import TransfoXLConfig
from parity.ops import Ops, Stage, Tensor

_MASKED = 1e30
"""Subtracted from the scores of what a position must not see, after these are set to zero."""


def layer(config: TransfoXLConfig, i: int, before: str) -> list[Stage]:
    """Layer i: the memory it hands on, relative attention, and the feed-forward part; `before` names its input."""
    scope, tap = f"transformer/layer_{i}", f"layer.{i}"
    attention, memory = f"{tap}.attention", f"inputs/mems.{i}"
    part = config.heads * config.d_head

    def split(name: str, k: int) -> Stage:
        def cut(ops: Ops, qkv: Tensor, x: Tensor) -> Tensor:
            third = ops.slice(qkv, k * part, (k + 1) * part, axis=-1)
            return ops.slice(third, -ops.shape(x)[1], None, axis=1) if name == "query" else third

        return Stage(f"{attention}.{name}", (f"{attention}.qkv", before), cut)

    return [
        Stage(f"mems.{i}", (before, memory), lambda ops, x, m: _remember(ops, config, x, m), (memory,)),
        Stage(f"{attention}.seen", (before, memory), _with_memory, (memory,)),
        Stage(f"{attention}.qkv", (f"{attention}.seen",), dense(f"{scope}/rel_attn/qkv/kernel")),
        *(split(name, k) for k, name in enumerate(("query", "key", "value"))),
        Stage(f"{attention}.positions", ("positions",), dense(f"{scope}/rel_attn/r/kernel")),
        Stage(
            f"{attention}.content",
            (f"{attention}.query", f"{attention}.key"),
            lambda ops, q, k: _content(ops, config, i, q, k),
        ),
        Stage(
            f"{attention}.distance",
            (f"{attention}.query", f"{attention}.positions"),
            lambda ops, q, r: _distance(ops, config, i, q, r),
        ),
        Stage(
            f"{attention}.scores",
            (f"{attention}.content", f"{attention}.distance", "mask"),
            lambda ops, content, distance, mask: _scores(ops, config, content, distance, mask),
        ),
        Stage(f"{attention}.probs", (f"{attention}.scores",), lambda ops, scores: ops.softmax(scores)),
        Stage(
            f"{attention}.context",
            (f"{attention}.probs", f"{attention}.value"),
            lambda ops, probs, value: _context(ops, config, probs, value),
        ),
        Stage(f"{attention}.output", (f"{attention}.context",), dense(f"{scope}/rel_attn/o/kernel")),
        Stage(f"{attention}.norm", (f"{attention}.output", before), _norm(config, f"{scope}/rel_attn")),
        Stage(
            f"{tap}.intermediate",
            (f"{attention}.norm",),
            lambda ops, x: ops.maximum(_biased(ops, f"{scope}/ff/layer_1", x), 0.0),
        ),
        Stage(f"{tap}.output", (f"{tap}.intermediate",), lambda ops, x: _biased(ops, f"{scope}/ff/layer_2", x)),
        Stage(tap, (f"{tap}.output", f"{attention}.norm"), _norm(config, f"{scope}/ff")),
    ]


def _remember(ops: Ops, config: TransfoXLConfig, x: Tensor, memory: Tensor | None) -> Tensor:
    """What the layer was given, behind its memory, the last `mem_len` of it; without memory all of it."""
    if memory is None:
        return x
    if config.mem_len == 0:
        return memory
    both = ops.concat([memory, x], axis=1)
    return ops.slice(both, -min(config.mem_len, ops.shape(both)[1]), None, axis=1)


def _with_memory(ops: Ops, x: Tensor, memory: Tensor | None) -> Tensor:
    return x if memory is None else ops.concat([memory, x], axis=1)


def _heads(ops: Ops, config: TransfoXLConfig, x: Tensor) -> Tensor:
    rows, length, _ = ops.shape(x)
    return ops.transpose(ops.reshape(x, (rows, length, config.heads, config.d_head)), (0, 2, 1, 3))


def _biased_query(ops: Ops, config: TransfoXLConfig, i: int, name: str, query: Tensor) -> Tensor:
    bias = ops.weight(f"transformer/{name}")
    bias = ops.index(bias, i, axis=0) if config.untie_r else bias
    return ops.add(_heads(ops, config, query), ops.expand(bias, axis=1))


def _content(ops: Ops, config: TransfoXLConfig, i: int, query: Tensor, key: Tensor) -> Tensor:
    biased = _biased_query(ops, config, i, "r_w_bias", query)
    return ops.matmul(biased, _heads(ops, config, key), transpose_b=True)


def _distance(ops: Ops, config: TransfoXLConfig, i: int, query: Tensor, positions: Tensor) -> Tensor:
    biased = _biased_query(ops, config, i, "r_r_bias", query)
    keys = _heads(ops, config, ops.expand(positions, axis=0))
    rows, heads, length, size = ops.shape(biased)
    # One matrix of distances for all rows: they are folded into the queries.
    folded = ops.reshape(ops.transpose(biased, (1, 0, 2, 3)), (heads, rows * length, size))
    products = ops.matmul(folded, ops.index(keys, 0, axis=0), transpose_b=True)
    seen = ops.shape(products)[-1]
    return _rel_shift(ops, ops.transpose(ops.reshape(products, (heads, rows, length, seen)), (1, 0, 2, 3)))


def _rel_shift(ops: Ops, x: Tensor) -> Tensor:
    """Row i moved left by T - 1 - i: column j of the result is the distance from i to j."""
    rows, heads, length, seen = ops.shape(x)
    padded = ops.concat([ops.array(np.zeros((rows, heads, length, 1))), x], axis=-1)
    folded = ops.reshape(padded, (rows, heads, seen + 1, length))
    return ops.reshape(ops.slice(folded, 1, None, axis=2), (rows, heads, length, seen))


def _scores(ops: Ops, config: TransfoXLConfig, content: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
    scores = ops.mul(ops.add(content, distance), ops.constant(1 / config.d_head**0.5))
    visible = ops.mul(scores, ops.sub(ops.constant(1.0), mask))
    return ops.sub(visible, ops.mul(ops.constant(_MASKED), mask))


def _context(ops: Ops, config: TransfoXLConfig, probs: Tensor, value: Tensor) -> Tensor:
    mixed = ops.transpose(ops.matmul(probs, _heads(ops, config, value)), (0, 2, 1, 3))
    rows, length, heads, size = ops.shape(mixed)
    return ops.reshape(mixed, (rows, length, heads * size))


def _biased(ops: Ops, scope: str, x: Tensor) -> Tensor:
    return ops.add(ops.matmul(x, ops.weight(f"{scope}/kernel")), ops.weight(f"{scope}/bias"))


def _norm(config: TransfoXLConfig, scope: str) -> Callable[[Ops, Tensor, Tensor], Tensor]:
    """tf.contrib.layers.layer_norm of a sum: moments, then batch_normalization's x * inv + (beta - mean * inv)."""

    def normed(ops: Ops, x: Tensor, skip: Tensor) -> Tensor:
        total = ops.add(x, skip)
        mean = ops.mean(total, axis=-1)
        variance = ops.mean(ops.square(ops.sub(total, mean)), axis=-1)
        inverse = ops.rsqrt(ops.add(variance, ops.constant(config.epsilon)))
        scale = ops.mul(inverse, ops.weight(f"{scope}/LayerNorm/gamma"))
        shift = ops.sub(ops.weight(f"{scope}/LayerNorm/beta"), ops.mul(mean, scale))
        return ops.add(ops.mul(total, scale), shift)

    return normed


def dense(name: str) -> Callable[[Ops, Tensor], Tensor]:
    """A product with that variable, nothing added."""
    return lambda ops, x: ops.matmul(x, ops.weight(name))
