"""The heads' part of XLNet's reference: modeling.py's lm_loss and summaries, function_builder.py's answer spans.

Shapes: B rows, T tokens, Q targets or logit positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.families.values import Head
from parity.families.xlnet.attention import MASKED
from parity.families.xlnet.dense import dense, norm
from parity.families.xlnet.names import task
from parity.families.xlnet.numbers import XLNetConfig
from parity.ops import Ops, Stage, Tensor

_POSITIONS = "inputs/logit_positions"


def outputs(config: XLNetConfig, head: Head, content: str, query: str) -> list[Stage]:
    """The stages of a head; `content` and `query` name the last layer of either stream."""
    of, scope = task(head.name), task(head.name).scope
    # As in the original, what a head sees is the query stream where there is one.
    whole = Stage("sequence", (content, query), lambda ops, h, g: h if g is None else g, (query,))
    summed = [whole, Stage("summary.input", ("sequence",), lambda ops, x: _pooled(ops, config, x)), _summary(config)]
    found: dict[str, Callable[[], list[Stage]]] = {
        "none": list,
        "lm": lambda: [
            Stage("lm.input", (content, query, _POSITIONS), _narrowed, (query, _POSITIONS)),
            Stage("logits.lm", ("lm.input",), _vocabulary),
        ],
        "classifier": lambda: [*summed, _classifier(scope)],
        "regression": lambda: [*summed, _classifier(scope)],
        "multiple-choice": lambda: [*summed, _classifier(f"{scope}dense/")],
        "qa": lambda: [whole, *_answers(config, scope)],
    }
    return found[of.kind]()


def _narrowed(ops: Ops, content: Tensor, query: Tensor | None, positions: Tensor | None) -> Tensor:
    """[B,Q,D]: the targets of the query stream, or the content stream at the positions asked for."""
    if query is not None:
        return query
    return content if positions is None else ops.take_positions(content, positions)


def _vocabulary(ops: Ops, x: Tensor) -> Tensor:
    products = ops.matmul(x, ops.weight("model/transformer/word_embedding/lookup_table"), transpose_b=True)
    return ops.add(products, ops.weight("model/lm_loss/bias"))


def _pooled(ops: Ops, config: XLNetConfig, x: Tensor) -> Tensor:
    """[B,T,D] to [B,D]: the last position, where the source puts <cls>, or what `summary_type` says."""
    if config.summary_type == "mean":
        return ops.index(ops.mean(x, axis=1), 0, axis=1)
    return ops.index(x, 0 if config.summary_type == "first" else ops.shape(x)[1] - 1, axis=1)


def _summary(config: XLNetConfig) -> Stage:
    if not config.summary_projected:
        return Stage("summary", ("summary.input",), lambda ops, x: x)
    return Stage(
        "summary", ("summary.input",), lambda ops, x: ops.tanh(dense(ops, "model/sequnece_summary/summary", x))
    )


def _classifier(scope: str) -> Stage:
    return Stage("logits.classifier", ("summary",), lambda ops, x: dense(ops, scope.removesuffix("/"), x))


def _answers(config: XLNetConfig, scope: str) -> list[Stage]:
    """Spans and answerability, with a `p_mask` that leaves <cls>, the last position, alone as the start.

    That is what the original computes for the span of "no answer". Which starts else are followed up is decided by a
    beam search over near values; every weight is used all the same.
    """
    end, answer = f"{scope}end_logits", f"{scope}answer_class"
    return [
        Stage("logits.start", ("sequence",), lambda ops, x: dense(ops, f"{scope}start_logits/dense", x)),
        Stage("answer.start", ("sequence", "logits.start"), _start),
        Stage(
            "logits.end.dense",
            ("sequence", "answer.start"),
            lambda ops, x, at: ops.tanh(dense(ops, f"{end}/dense_0", _beside(ops, x, at))),
        ),
        Stage("logits.end.norm", ("logits.end.dense",), lambda ops, x: norm(ops, config, end, x)),
        Stage("logits.end", ("logits.end.norm",), lambda ops, x: dense(ops, f"{end}/dense_1", x)),
        Stage(
            "logits.answer.dense",
            ("sequence", "answer.start"),
            lambda ops, x, at: ops.tanh(dense(ops, f"{answer}/dense_0", ops.concat([at, _last(ops, x)], axis=-1))),
        ),
        Stage(
            "logits.answer",
            ("logits.answer.dense",),
            lambda ops, x: ops.matmul(x, ops.weight(f"{answer}/dense_1/kernel")),
        ),
    ]


def _last(ops: Ops, x: Tensor) -> Tensor:
    return ops.index(x, ops.shape(x)[1] - 1, axis=1)


def _start(ops: Ops, x: Tensor, logits: Tensor) -> Tensor:
    """lbh,bl->bh: the positions weighted with their probability to be the start, [B,D]."""
    rows, length, width = ops.shape(x)
    barred = np.ones((1, length))
    barred[0, -1] = 0.0
    flat = ops.reshape(logits, (rows, length))
    masked = ops.sub(ops.mul(flat, ops.array(1.0 - barred)), ops.mul(ops.constant(MASKED), ops.array(barred)))
    mixed = ops.matmul(ops.expand(ops.softmax(masked), axis=1), x)
    return ops.reshape(mixed, (rows, width))


def _beside(ops: Ops, x: Tensor, start: Tensor) -> Tensor:
    """Every position beside the start, [B,T,2 D]."""
    every = ops.array(np.ones((1, ops.shape(x)[1], 1)))
    return ops.concat([x, ops.mul(every, ops.expand(start, axis=1))], axis=-1)
