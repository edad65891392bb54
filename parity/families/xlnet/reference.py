"""XLNet's original forward pass, operation for operation, over the checkpoint's own names.

Written from zihangdai/xlnet modeling.py (transformer_xl, two_stream_rel_attn, rel_multihead_attn, positionwise_ffn,
lm_loss, summarize_sequence, classification_loss, regression_loss). What the original lays out [T,B,...] is [B,T,...]
here. It must not see the weight table: a fault there must not reach both sides.

Shapes: B rows, T tokens, M memory, K = M + T keys, Q targets or logit positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from parity.families.values import Config, Head
from parity.families.xlnet import attention
from parity.families.xlnet.dense import dense, norm
from parity.families.xlnet.numbers import XLNetConfig, numbers
from parity.families.xlnet.outputs import outputs
from parity.ops import Ops, Stage, Tensor

_IDS, _MASK, _SEGMENTS = "inputs/input_ids", "inputs/attention_mask", "inputs/token_type_ids"
_PERM, _TARGETS, _MEMORY = "inputs/perm_mask", "inputs/target_mapping", "inputs/mems.0"
_BACKWARD = "inputs/backward"
_SCOPE = "model/transformer"


def stages(config: Config, head: Head) -> Sequence[Stage]:
    """The forward pass as named stages: embeddings, both streams layer by layer, the head.

    Inputs: input_ids int [B,T]. Optional: attention_mask [B,T], 1 = real (the original feeds its opposite);
    token_type_ids int [B,T], of which only equality counts; perm_mask [B,T,T], 1 where row i may not see column j;
    target_mapping [B,Q,T], which brings in the query stream; mems.k [B,M,D]; logit_positions int [B,Q] for a language
    model without the query stream; backward int [B,1,1], see `attention.placed`.
    """
    return _stages(numbers(config), head)


def _stages(config: XLNetConfig, head: Head) -> Sequence[Stage]:
    found = [
        Stage("embeddings", (_IDS,), lambda ops, ids: ops.gather_weight(f"{_SCOPE}/word_embedding/lookup_table", ids)),
        Stage("query.start", (_TARGETS,), _targets, (_TARGETS,)),
        Stage(
            "positions",
            (_IDS, _MEMORY, _BACKWARD),
            lambda ops, *fed: attention.positions(ops, config, *fed),
            (_MEMORY, _BACKWARD),
        ),
        Stage(
            "mask.query",
            (_IDS, _MASK, _PERM, _MEMORY),
            lambda ops, *fed: attention.hidden_keys(ops, config, *fed),
            (_MASK, _PERM, _MEMORY),
        ),
        Stage("mask.content", (_IDS, "mask.query", _MEMORY), attention.hidden_others, ("mask.query", _MEMORY)),
        Stage("segments", (_SEGMENTS, _MEMORY), attention.other_segment, (_SEGMENTS, _MEMORY)),
    ]
    before, query = "embeddings", "query.start"
    for i in range(config.layers):
        found += _keys(config, i, before)
        found += _stream(config, i, f"layer.{i}", before, mask="mask.content")
        found += _stream(config, i, f"query.{i}", query, mask="mask.query")
        before, query = f"layer.{i}", f"query.{i}"
    return (*found, *outputs(config, head, before, query))


def _targets(ops: Ops, mapping: Tensor | None) -> Tensor | None:
    """The query stream begins with `mask_emb` at every target, [B,Q,D]."""
    if mapping is None:
        return None
    rows, targets, _ = ops.shape(mapping)
    return ops.mul(ops.array([[[1.0]] * targets] * rows), ops.weight(f"{_SCOPE}/mask_emb/mask_emb"))


def _keys(config: XLNetConfig, i: int, before: str) -> list[Stage]:
    """What both streams look at, and what the next segment will remember."""
    memory = f"inputs/mems.{i}"

    def remembered(ops: Ops, x: Tensor, past: Tensor | None) -> Tensor:
        reused = ops.slice(x, 0, config.reuse_len, axis=1) if config.reuse_len else x
        whole = reused if past is None else ops.concat([past, reused], axis=1)
        return ops.slice(whole, max(ops.shape(whole)[1] - config.mem_len, 0), None, axis=1)

    def projected(part: str) -> Callable[[Ops, Tensor, Tensor | None], Tensor]:
        def keys(ops: Ops, x: Tensor, past: Tensor | None) -> Tensor:
            return _project(ops, config, i, part, x if past is None else ops.concat([past, x], axis=1))

        return keys

    found = [Stage(f"mems.{i}", (before, memory), remembered, (memory,))] if config.mem_len else []
    return [
        *found,
        Stage(f"layer.{i}.attention.key", (before, memory), projected("k"), (memory,)),
        Stage(f"layer.{i}.attention.value", (before, memory), projected("v"), (memory,)),
        Stage(f"layer.{i}.attention.places", ("positions",), lambda ops, at: _project(ops, config, i, "r", at)),
    ]


def _stream(config: XLNetConfig, i: int, tap: str, before: str, *, mask: str) -> list[Stage]:
    """One stream through layer i: the content stream at its tokens, the query stream at its targets."""
    scope, own = f"{_SCOPE}/layer_{i}", f"{tap}.attention"
    keys = f"layer.{i}.attention"
    targets = tap.startswith("query.")

    def stage(name: str, needs: tuple[str, ...], fn: Callable[..., Any], optional: tuple[str, ...] = ()) -> Stage:
        # The whole query stream is absent where its beginning is.
        if targets:
            return Stage(name, needs, lambda ops, x, *rest: None if x is None else fn(ops, x, *rest), needs)
        return Stage(name, needs, fn, optional)

    asked, mixed = (f"{own}.mapped", f"{own}.mixed") if targets else (f"{own}.query", f"{own}.context")
    mapped = [stage(asked, (f"{own}.query", _TARGETS), _at_targets, (_TARGETS,))] if targets else []
    back = [stage(f"{own}.context", (mixed, _TARGETS), _of_targets, (_TARGETS,))] if targets else []
    return [
        stage(f"{own}.query", (before,), lambda ops, x: _project(ops, config, i, "q", x)),
        *mapped,
        stage(
            f"{own}.by_content", (asked, f"{keys}.key"), lambda ops, q, k: attention.by_content(ops, config, i, q, k)
        ),
        stage(
            f"{own}.by_position",
            (asked, f"{keys}.places", f"{keys}.key"),
            lambda ops, q, places, k: attention.by_position(ops, config, i, q, places, k),
        ),
        stage(
            f"{own}.by_segment",
            (asked, "segments"),
            lambda ops, q, other: attention.by_segment(ops, config, i, q, other),
            ("segments",),
        ),
        stage(
            f"{own}.scores",
            (f"{own}.by_content", f"{own}.by_position", f"{own}.by_segment"),
            lambda ops, *terms: attention.scores(ops, config, *terms),
            (f"{own}.by_segment",),
        ),
        stage(f"{own}.probs", (f"{own}.scores", mask), attention.probs, (mask,)),
        stage(mixed, (f"{own}.probs", f"{keys}.value"), lambda ops, p, v: attention.context(ops, config, p, v)),
        *back,
        stage(f"{own}.output", (f"{own}.context",), partial(_project_back, config=config, i=i)),
        stage(f"{own}.norm", (f"{own}.output", before), _residual(config, f"{scope}/rel_attn")),
        stage(
            f"{tap}.intermediate",
            (f"{own}.norm",),
            lambda ops, x: _ACTIVATIONS[config.activation](ops, dense(ops, f"{scope}/ff/layer_1", x)),
        ),
        stage(f"{tap}.output", (f"{tap}.intermediate",), lambda ops, x: dense(ops, f"{scope}/ff/layer_2", x)),
        stage(tap, (f"{tap}.output", f"{own}.norm"), _residual(config, f"{scope}/ff")),
    ]


def _project(ops: Ops, config: XLNetConfig, i: int, part: str, x: Tensor) -> Tensor:
    """ibh,hnd->ibnd, with the heads side by side."""
    kernel = ops.weight(f"{_SCOPE}/layer_{i}/rel_attn/{part}/kernel")
    return ops.matmul(x, ops.reshape(kernel, (config.hidden_size, config.hidden_size)))


def _project_back(ops: Ops, x: Tensor, *, config: XLNetConfig, i: int) -> Tensor:
    """ibnd,hnd->ibh: the kernel is stored as [out, in]."""
    kernel = ops.weight(f"{_SCOPE}/layer_{i}/rel_attn/o/kernel")
    return ops.matmul(x, ops.reshape(kernel, (config.hidden_size, config.hidden_size)), transpose_b=True)


def _at_targets(ops: Ops, query: Tensor, mapping: Tensor) -> Tensor:
    """mbnd,mlb->lbnd: each target's query at its token, [B,Q,D] to [B,T,D]."""
    return ops.matmul(ops.transpose(ops.cast(mapping), (0, 2, 1)), query)


def _of_targets(ops: Ops, mixed: Tensor, mapping: Tensor) -> Tensor:
    """lbnd,mlb->mbnd: back to the targets, [B,T,D] to [B,Q,D]."""
    return ops.matmul(ops.cast(mapping), mixed)


def _residual(config: XLNetConfig, scope: str) -> Callable[[Ops, Tensor, Tensor], Tensor]:
    return lambda ops, x, skip: norm(ops, config, scope, ops.add(x, skip))


def _gelu_tanh(ops: Ops, x: Tensor) -> Tensor:
    """The original's gelu: the tanh formula, since its first commit."""
    cubed = ops.mul(ops.square(x), x)
    inner = ops.mul(ops.constant(math.sqrt(2.0 / math.pi)), ops.add(x, ops.mul(ops.constant(0.044715), cubed)))
    return ops.mul(x, ops.mul(ops.constant(0.5), ops.add(ops.constant(1.0), ops.tanh(inner))))


def _gelu_erf(ops: Ops, x: Tensor) -> Tensor:
    """What transformers takes "gelu" for; no original computes it."""
    inner = ops.div(x, ops.constant(math.sqrt(2.0)))
    return ops.mul(x, ops.mul(ops.constant(0.5), ops.add(ops.constant(1.0), ops.erf(inner))))


_ACTIVATIONS: dict[str, Callable[[Ops, Tensor], Tensor]] = {
    "gelu_tanh": _gelu_tanh,
    "gelu_erf": _gelu_erf,
    "relu": lambda ops, x: ops.maximum(x, 0.0),
}
