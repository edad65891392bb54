"""GPT's original forward pass, operation for operation, over the names of its own graph.

Written from openai/finetune-transformer-lm train.py (embed, _norm, conv1d, attn, mlp, block, clf, model). It must not
see the weight table: a fault there must not reach both sides. There, tokens, special tokens and positions are rows of
one table and the vocabulary's product runs over all of them; here it is taken with the tokens' rows alone, which are
the only ones whose logits mean a token.

Shapes: B rows, T tokens, E hidden size, H attention heads, Q logit positions, V tokens, special ones included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from parity.errors import ParityError
from parity.families.gpt_layers import ACTIVATIONS, conv1d, heads, norm
from parity.families.openai_gpt.config import GptConfig
from parity.families.values import Config, Head
from parity.ops import Ops, Stage, Tensor

_IDS, _POSITIONS = "inputs/input_ids", "inputs/logit_positions"
_MASKED = -1e9
"""What the score of a later token becomes."""


def stages(config: Config, head: Head) -> Sequence[Stage]:
    """The forward pass as named stages, embeddings first, logits last.

    Inputs: input_ids int [B,T]; logit_positions int [B,Q] where the head has a language model's logits.
    """
    found = [Stage("embeddings", (_IDS,), lambda ops, ids: _embeddings(ops, config, ids))]
    before = "embeddings"
    for i in range(config.layers):
        found += _block(config, i, before)
        before = f"layer.{i}"
    if "logits.lm" in head.taps:
        found.append(Stage("lm.input", (before, _POSITIONS), lambda ops, x, at: ops.take_positions(x, at)))
        found.append(Stage("logits.lm", ("lm.input",), lambda ops, x: _vocabulary(ops, config, x)))
    if "logits.classifier" in head.taps:
        found.append(Stage("classifier.input", (before, _IDS), lambda ops, x, ids: _classified(ops, config, x, ids)))
        found.append(Stage("logits.classifier", ("classifier.input",), _classifier))
    return found


def _rows(config: Config) -> int | None:
    return config.rows if isinstance(config, GptConfig) else None


def _embeddings(ops: Ops, config: Config, ids: Tensor) -> Tensor:
    length = ops.shape(ids)[1]
    if length > config.positions:
        raise ParityError(
            "no position for every token", got=length, expected=f"at most {config.positions}", remedy="shorten the text"
        )
    if _rows(config) is None:
        return ops.add(ops.gather_weight("tokens", ids), ops.slice(ops.weight("positions"), 0, length, axis=0))
    positions = ops.slice(ops.weight("model/we"), config.vocab_size, config.vocab_size + length, axis=0)
    return ops.add(ops.gather_weight("model/we", ids), positions)


def _block(config: Config, i: int, before: str) -> list[Stage]:
    scope, tap = f"model/h{i}", f"layer.{i}"
    attention = f"{tap}.attention"

    def conv(name: str) -> Callable[[Ops, Tensor], Tensor]:
        return lambda ops, x: conv1d(ops, f"{scope}/{name}", x)

    def residual_norm(name: str) -> Callable[[Ops, Tensor, Tensor], Tensor]:
        return lambda ops, x, more: norm(ops, config, f"{scope}/{name}", ops.add(x, more))

    def third(part: str, at: int) -> Stage:
        start, stop = at * config.hidden_size, (at + 1) * config.hidden_size
        return Stage(
            f"{attention}.{part}", (f"{attention}.projection",), lambda ops, x: ops.slice(x, start, stop, axis=2)
        )

    return [
        Stage(f"{attention}.projection", (before,), conv("attn/c_attn")),
        *(third(part, at) for at, part in enumerate(("query", "key", "value"))),
        Stage(
            f"{attention}.scores",
            (f"{attention}.query", f"{attention}.key"),
            lambda ops, query, key: _scores(ops, config, query, key),
        ),
        Stage(f"{attention}.probs", (f"{attention}.scores",), lambda ops, scores: ops.softmax(scores)),
        Stage(
            f"{attention}.context",
            (f"{attention}.probs", f"{attention}.value"),
            lambda ops, probs, value: _context(ops, config, probs, value),
        ),
        Stage(f"{attention}.output", (f"{attention}.context",), conv("attn/c_proj")),
        Stage(f"{attention}.norm", (before, f"{attention}.output"), residual_norm("ln_1")),
        Stage(
            f"{tap}.intermediate",
            (f"{attention}.norm",),
            lambda ops, x: _ACTIVATIONS[config.activation](ops, conv1d(ops, f"{scope}/mlp/c_fc", x)),
        ),
        Stage(f"{tap}.output", (f"{tap}.intermediate",), conv("mlp/c_proj")),
        Stage(tap, (f"{attention}.norm", f"{tap}.output"), residual_norm("ln_2")),
    ]


def _scores(ops: Ops, config: Config, query: Tensor, key: Tensor) -> Tensor:
    products = ops.matmul(heads(ops, config, query), heads(ops, config, key), transpose_b=True)
    scaled = ops.mul(products, ops.rsqrt(ops.constant(float(config.hidden_size // config.heads))))
    length = ops.shape(query)[1]
    seen = ops.array(np.tri(length)[None, None])
    hidden = ops.mul(ops.constant(_MASKED), ops.sub(ops.constant(1.0), seen))
    return ops.add(ops.mul(scaled, seen), hidden)


def _context(ops: Ops, config: Config, probs: Tensor, value: Tensor) -> Tensor:
    rows, length, hidden = ops.shape(value)
    mixed = ops.matmul(probs, heads(ops, config, value))
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (rows, length, hidden))


def _swish(ops: Ops, x: Tensor) -> Tensor:
    """X * sigmoid(x), the sigmoid by way of tanh, which it equals."""
    half = ops.constant(0.5)
    return ops.mul(x, ops.add(half, ops.mul(half, ops.tanh(ops.mul(half, x)))))


_ACTIVATIONS: Mapping[str, Callable[[Ops, Tensor], Tensor]] = {**ACTIVATIONS, "swish": _swish}


def _vocabulary(ops: Ops, config: Config, x: Tensor) -> Tensor:
    if _rows(config) is None:
        return ops.matmul(x, ops.weight("tokens"), transpose_b=True)
    return ops.matmul(x, ops.slice_rows(ops.weight("model/we"), config.vocab_size), transpose_b=True)


def _classified(ops: Ops, config: Config, x: Tensor, ids: Tensor) -> Tensor:
    """X at the first `_classify_` of every row, and at its beginning where there is none, as argmax has it: [B,E].

    A sum in which all terms but one are zero, hence exact. Without special tokens, the last position.
    """
    length = ops.shape(ids)[1]
    classify = config.classify if isinstance(config, GptConfig) else None
    if classify is None:
        return ops.index(x, length - 1, axis=1)
    there = ops.within(ids, classify, classify + 1)
    before = ops.matmul(there, ops.array(np.tri(length, k=-1).T))
    first = ops.maximum(ops.sub(there, before), 0.0)
    none = ops.maximum(ops.sub(ops.constant(1.0), ops.matmul(there, ops.array(np.ones((length, length))))), 0.0)
    at_start = ops.mul(none, ops.array(np.eye(1, length)))
    chosen = ops.expand(ops.add(first, at_start), axis=1)
    return ops.index(ops.matmul(chosen, x), 0, axis=1)


def _classifier(ops: Ops, x: Tensor) -> Tensor:
    return ops.add(ops.matmul(x, ops.weight("model/clf/w")), ops.weight("model/clf/b"))
