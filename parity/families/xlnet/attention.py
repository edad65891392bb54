"""XLNet's relative attention, operation for operation: masks, positions, the three terms of a score.

Written from zihangdai/xlnet modeling.py (relative_positional_encoding, rel_shift, rel_attn_core, transformer_xl), with
rows first where the original has them second.

Shapes: B rows, T tokens, M memory, K = M + T keys, R relative positions, N heads, C channels, Q targets.
"""

from __future__ import annotations

import math

import numpy as np

from parity.errors import ParityError
from parity.families.xlnet.numbers import XLNetConfig
from parity.ops import Ops, Tensor
from parity.tensorfile import Array

MASKED = 1e30
"""Subtracted from the scores of masked keys."""
_BASE = 10000.0


def memory_length(ops: Ops, memory: Tensor | None) -> int:
    """M; 0 without a memory."""
    return 0 if memory is None else ops.shape(memory)[1]


def placed(config: XLNetConfig, rows: int) -> dict[str, Array]:
    """With `bi_data`, `backward` int32 [B,1,1]: the second half of the rows runs backward.

    Raises:
        ParityError: `bi_data` and an odd number of rows.
    """
    if not config.bi_data:
        return {}
    if rows % 2:
        remedy = "give an even number of rows, or --set bi_data=false"
        raise ParityError("bi_data halves the rows: forward and backward", got=f"{rows} rows", remedy=remedy)
    return {"backward": (np.arange(rows, dtype=np.int32) >= rows // 2).astype(np.int32).reshape(rows, 1, 1)}


def positions(
    ops: Ops, config: XLNetConfig, ids: Tensor, memory: Tensor | None, backward: Tensor | None = None
) -> Tensor:
    """Sines and cosines of the distances K, K-1, ..., -T+1 (of -1 and more where attention is causal), [1 or B,R,C].

    Rows that run backward (see `placed`) have distances of the other sign. Whoever parts the rows of a batch says with
    `backward` which these are; else the batch is whole.

    Raises:
        ParityError: `bi_data` and an odd number of rows.
    """
    rows, length = ops.shape(ids)
    last = length if config.attn_type == "bi" else 1
    distances = np.arange(length + memory_length(ops, memory), -last, -1.0)
    if not config.bi_data:
        return ops.expand(_sinusoids(ops, config, distances), axis=0)
    forth, back = (ops.expand(_sinusoids(ops, config, sign * distances), axis=0) for sign in (1.0, -1.0))
    if backward is None:
        turned = ops.array(placed(config, rows)["backward"])
        ahead = ops.sub(ops.constant(1.0), turned)
    else:
        ahead, turned = ops.within(backward, 0, 1), ops.within(backward, 1, 2)
    return ops.add(ops.mul(ahead, forth), ops.mul(turned, back))


def _sinusoids(ops: Ops, config: XLNetConfig, distances: Array) -> Tensor:
    if config.clamp_len > 0:
        distances = np.clip(distances, -config.clamp_len, config.clamp_len)
    width = config.hidden_size
    frequencies = 1.0 / _BASE ** (np.arange(0.0, width, 2.0) / width)
    angles = ops.mul(ops.array(distances[:, None]), ops.array(frequencies[None, :]))
    return ops.concat([ops.sin(angles), ops.cos(angles)], axis=-1)


def hidden_keys(
    ops: Ops, config: XLNetConfig, ids: Tensor, mask: Tensor | None, perm: Tensor | None, memory: Tensor | None
) -> Tensor | None:
    """1 where the query stream may not look, [B or 1,T or 1,K]; None where it may look everywhere.

    The original adds its masks and asks which sums are above 0; of zeros and ones that is one minus the product of what
    each of them leaves open.
    """
    length, before = ops.shape(ids)[1], memory_length(ops, memory)
    one = ops.constant(1.0)
    parts: list[Tensor] = []
    if mask is not None:
        parts.append(ops.expand(ops.cast(mask), axis=1))
    if perm is not None:
        parts.append(ops.sub(one, ops.cast(perm)))
    opened: Tensor | None = None
    for part in parts:
        opened = part if opened is None else ops.mul(opened, part)
    if opened is not None and before:
        # All of the memory can be seen.
        rows, looking, _ = ops.shape(opened)
        opened = ops.concat([ops.array(np.ones((rows, looking, before))), opened], axis=2)
    if config.attn_type == "uni":
        causal = ops.array(1.0 - _causal(config, length, before)[None])
        opened = causal if opened is None else ops.mul(opened, causal)
    return None if opened is None else ops.sub(one, opened)


def _causal(config: XLNetConfig, length: int, before: int) -> Array:
    later = np.triu(np.ones((length, length)), 1)
    mask = np.concatenate([np.zeros((length, before)), later], axis=1)
    if config.same_length:
        mask[:, :length] += np.tril(np.ones((length, length)), -1)
    clipped: Array = np.minimum(mask, 1.0)
    return clipped


def hidden_others(ops: Ops, ids: Tensor, hidden: Tensor | None, memory: Tensor | None) -> Tensor | None:
    """The same for the content stream, where every position sees itself."""
    if hidden is None:
        return None
    length, before = ops.shape(ids)[1], memory_length(ops, memory)
    others = np.concatenate([np.ones((length, before)), 1.0 - np.eye(length)], axis=1)
    return ops.mul(hidden, ops.array(others[None]))


def other_segment(ops: Ops, segments: Tensor | None, memory: Tensor | None) -> Tensor | None:
    """1 where query and key are of different segments, [B,T,K]; the memory's segment is 0."""
    if segments is None:
        return None
    rows = ops.expand(segments, axis=2)
    differs = ops.differs(rows, ops.expand(segments, axis=1))
    before = memory_length(ops, memory)
    if not before:
        return differs
    foreign = ops.sub(ops.constant(1.0), ops.within(rows, 0, 1))
    return ops.concat([ops.mul(foreign, ops.array(np.ones((1, 1, before)))), differs], axis=2)


def split(ops: Ops, config: XLNetConfig, x: Tensor) -> Tensor:
    """[B,T,C] to [B,N,T,C/N]."""
    rows, length, width = ops.shape(x)
    parts = ops.reshape(x, (rows, length, config.heads, width // config.heads))
    return ops.transpose(parts, (0, 2, 1, 3))


def joined(ops: Ops, x: Tensor) -> Tensor:
    """[B,N,T,d] to [B,T,N*d]."""
    rows, count, length, size = ops.shape(x)
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (rows, length, count * size))


def biased(ops: Ops, config: XLNetConfig, name: str, layer: int, query: Tensor) -> Tensor:
    """The query with one of the relative biases added, by heads, [B,N,T,d]."""
    bias = ops.weight(f"model/transformer/{name}")
    own = ops.index(bias, layer, axis=0) if config.untied else bias
    return split(ops, config, ops.add(query, ops.reshape(own, (config.hidden_size,))))


def by_content(ops: Ops, config: XLNetConfig, layer: int, query: Tensor, key: Tensor) -> Tensor:
    """First term of the scores: what stands there, [B,N,T,K]."""
    return ops.matmul(biased(ops, config, "r_w_bias", layer, query), split(ops, config, key), transpose_b=True)


def by_position(ops: Ops, config: XLNetConfig, layer: int, query: Tensor, places: Tensor, key: Tensor) -> Tensor:
    """Second term: how far away it stands, [B,N,T,K]. `places` are the keys of the relative positions, [1 or B,R,C]."""
    far = ops.matmul(biased(ops, config, "r_r_bias", layer, query), split(ops, config, places), transpose_b=True)
    rows, count, length, reach = ops.shape(far)
    # Row i is to begin i places later: read as R rows of T, without the first, and back as T rows.
    turned = ops.slice(ops.reshape(far, (rows, count, reach, length)), 1, None, axis=2)
    return ops.slice(ops.reshape(turned, (rows, count, length, reach - 1)), 0, ops.shape(key)[1], axis=3)


def by_segment(ops: Ops, config: XLNetConfig, layer: int, query: Tensor, other: Tensor | None) -> Tensor | None:
    """Third term: is it of the same segment, [B,N,T,K]."""
    if other is None:
        return None
    embedded = ops.index(ops.weight("model/transformer/seg_embed"), layer, axis=0)
    kinds = ops.transpose(embedded, (1, 0, 2))
    scores = ops.matmul(biased(ops, config, "r_s_bias", layer, query), kinds, transpose_b=True)
    differs = ops.expand(other, axis=1)
    same = ops.sub(ops.constant(1.0), differs)
    # The original contracts with a one-hot matrix: one term, and a zero.
    return ops.add(ops.mul(same, ops.slice(scores, 0, 1, axis=3)), ops.mul(differs, ops.slice(scores, 1, 2, axis=3)))


def scores(ops: Ops, config: XLNetConfig, content: Tensor, position: Tensor, segment: Tensor | None) -> Tensor:
    """Their sum, scaled; not masked yet."""
    both = ops.add(content, position)
    total = both if segment is None else ops.add(both, segment)
    return ops.mul(total, ops.constant(1.0 / math.sqrt(config.hidden_size // config.heads)))


def probs(ops: Ops, total: Tensor, hidden: Tensor | None) -> Tensor:
    """Softmax over the keys that are not hidden."""
    if hidden is None:
        return ops.softmax(total)
    return ops.softmax(ops.sub(total, ops.mul(ops.constant(MASKED), ops.expand(hidden, axis=1))))


def context(ops: Ops, config: XLNetConfig, weights: Tensor, value: Tensor) -> Tensor:
    """Values mixed by the probabilities, [B,T,C]."""
    return joined(ops, ops.matmul(weights, split(ops, config, value)))
