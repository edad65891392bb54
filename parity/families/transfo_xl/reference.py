"""Transformer-XL's original forward pass, operation for operation, over the checkpoint's own names.

Written from kimiyoung/transformer-xl, tf/model.py (mask_adaptive_embedding_lookup, positional_embedding,
_create_mask, transformer), as tf/train_gpu.py calls it; a layer is in `parity.families.transfo_xl.layer`, the softmax
over clusters in `parity.families.transfo_xl.softmax`. They must not see the weight table: a fault there must not reach
both sides. The original is time-major, this is batch-major; no sum changes by it.

Shapes: B rows, T tokens, M tokens of memory, J = M + T, D d_model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from parity.families.transfo_xl.heads import EMBEDDING, LM
from parity.families.transfo_xl.layer import dense, layer
from parity.families.transfo_xl.numbers import TransfoXLConfig, numbers
from parity.families.transfo_xl.softmax import softmax
from parity.families.values import Config, Head
from parity.ops import Ops, Stage, Tensor

_IDS, _FIRST_MEMORY = "inputs/input_ids", "inputs/mems.0"


def stages(config: Config, head: Head) -> Sequence[Stage]:
    """The forward pass as named stages: embeddings, layers, new memories, log-probabilities.

    Inputs: input_ids int [B,T]; mems.k [B,M,D], the memory of layer k, absent where the original's `mems` is None;
    logit_positions int [B,Q] where the head is a language model.
    """
    given = numbers(config)
    found = [
        *_embeddings(given),
        Stage("positions", (_IDS, _FIRST_MEMORY), lambda ops, ids, m: _positions(ops, given, ids, m), (_FIRST_MEMORY,)),
        Stage("mask", (_IDS, _FIRST_MEMORY), lambda ops, ids, m: _mask(ops, given, ids, m), (_FIRST_MEMORY,)),
    ]
    before = "embeddings"
    for i in range(given.layers):
        found += layer(given, i, before)
        before = f"layer.{i}"
    return (*found, *(softmax(given, before) if head.name == LM.name else ()))


def _embeddings(config: TransfoXLConfig) -> list[Stage]:
    """Every table's rows, projected; an id's own table gives its row, the others zeros."""
    found, parts = [], []
    for k in range(len(config.tables)):
        parts.append(f"embeddings.{k}")
        rows = f"{parts[-1]}.rows" if config.embedding_projected(k) else parts[-1]
        scope = EMBEDDING if config.div_val == 1 else f"{EMBEDDING}cutoff_{k}/"
        found.append(Stage(rows, (_IDS,), _rows(f"{scope}lookup_table", *config.tables[k])))
        if rows != parts[-1]:
            found.append(Stage(parts[-1], (rows,), dense(f"{scope}proj_W")))
    return [*found, Stage("embeddings", (_IDS, *parts), lambda ops, ids, *x: _join(ops, config, ids, x))]


def _rows(name: str, first: int, end: int) -> Callable[[Ops, Tensor], Tensor]:
    return lambda ops, ids: ops.gather_weight(name, ops.offset(ids, first, end))


def _join(ops: Ops, config: TransfoXLConfig, ids: Tensor, parts: Sequence[Tensor]) -> Tensor:
    # Where the original scatters into zeros and adds, all but one term are zeros: exact in any order.
    total = None
    for (first, end), part in zip(config.tables, parts, strict=True):
        one = part if len(parts) == 1 else ops.mul(part, ops.expand(ops.within(ids, first, end), axis=-1))
        total = one if total is None else ops.add(total, one)
    return ops.mul(total, ops.constant(config.hidden_size**0.5))


def _lengths(ops: Ops, ids: Tensor, memory: Tensor | None) -> tuple[int, int]:
    return ops.shape(ids)[1], 0 if memory is None else ops.shape(memory)[1]


def _positions(ops: Ops, config: TransfoXLConfig, ids: Tensor, memory: Tensor | None) -> Tensor:
    """Sinusoids of every distance, the farthest first: [J,D]."""
    distances = np.arange(sum(_lengths(ops, ids, memory)) - 1, -1, -1.0)
    if config.clamp_len > 0:
        distances = np.minimum(distances, config.clamp_len)
    exponents = np.arange(0, config.hidden_size, 2.0) / config.hidden_size
    frequencies = ops.div(ops.constant(1.0), ops.array(10000.0**exponents))
    angles = ops.mul(ops.array(distances[:, None]), frequencies)
    return ops.concat([ops.sin(angles), ops.cos(angles)], axis=-1)


def _mask(ops: Ops, config: TransfoXLConfig, ids: Tensor, memory: Tensor | None) -> Tensor:
    """1 where a position must not look: [T,J]."""
    length, held = _lengths(ops, ids, memory)
    ones = np.ones((length, length))
    hidden = np.concatenate([np.zeros((length, held)), np.triu(ones, 1)], axis=1)
    if config.same_length:
        # Position i does not see the oldest i tokens, so that each sees as many as the first.
        hidden[:, :length] += np.tril(ones, -1)
    return ops.array(hidden)
