"""BERT's original forward pass, operation for operation, over the checkpoint's own names.

Written from google-research/bert modeling.py (embedding_lookup, embedding_postprocessor, attention_layer,
transformer_model, BertModel), run_pretraining.py (get_masked_lm_output, get_next_sentence_output), run_classifier.py
and run_squad.py (create_model). A token classifier is run_squad's span head with other outputs, multiple choice is
run_classifier's with one output per row. It must not see the weight table: a fault there must not reach both sides.

Shapes: B rows, T tokens, H hidden size, N attention heads, Q logit positions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from parity.families.bert.heads import parts, pooled
from parity.families.values import Config, Head
from parity.ops import Ops, Stage, Tensor

_IDS, _MASK, _TYPES = "inputs/input_ids", "inputs/attention_mask", "inputs/token_type_ids"
_POSITIONS = "inputs/logit_positions"
_MASKED = -10000.0
"""Added to the scores of masked positions."""


def stages(config: Config, head: Head) -> Sequence[Stage]:
    """The forward pass as named stages, embeddings first, logits last.

    Inputs: input_ids, attention_mask, token_type_ids int [B,T]; logit_positions int [B,Q] where the head has an MLM.
    """
    found = [Stage("embeddings", (_IDS, _TYPES), lambda ops, ids, types: _embeddings(ops, config, ids, types))]
    before = "embeddings"
    for i in range(config.layers):
        found += _layer(config, i, before)
        before = f"layer.{i}"
    if pooled(config, head):
        found.append(Stage("pooler", (before,), _pooler))
    heads: dict[str, list[Stage]] = {
        "mlm": [
            Stage("mlm.transform", (before, _POSITIONS), lambda ops, x, at: _transform(ops, config, x, at)),
            Stage("logits.mlm", ("mlm.transform",), _vocabulary),
        ],
        "nsp": [Stage("logits.nsp", ("pooler",), _output("cls/seq_relationship/"))],
        "classifier": [Stage("logits.classifier", ("pooler",), _output(""))],
        "token-classifier": [Stage("logits.tokens", (before,), _output(""))],
        "multiple-choice": [Stage("logits.classifier", ("pooler",), _output(""))],
        "qa": [Stage("logits.qa", (before,), _output("cls/squad/"))],
    }
    return (*found, *(stage for part in parts(head) for stage in heads[part]))


def _embeddings(ops: Ops, config: Config, ids: Tensor, types: Tensor) -> Tensor:
    length = ops.shape(ids)[1]
    words = ops.gather_weight("bert/embeddings/word_embeddings", ids)
    # The original multiplies a one-hot matrix by this table: sums of one term and zeros, which is a lookup exactly.
    with_types = ops.add(words, ops.gather_weight("bert/embeddings/token_type_embeddings", types))
    positions = ops.slice_rows(ops.weight("bert/embeddings/position_embeddings"), length)
    return _norm(ops, config, "bert/embeddings/LayerNorm", ops.add(with_types, positions))


def _layer(config: Config, i: int, before: str) -> list[Stage]:
    scope, tap = f"bert/encoder/layer_{i}", f"layer.{i}"
    attention = f"{tap}.attention"

    def projection(part: str) -> Stage:
        name = f"{scope}/attention/self/{part}"
        return Stage(f"{attention}.{part}", (before,), lambda ops, x: _dense(ops, name, x))

    def residual_norm(name: str) -> Callable[[Ops, Tensor, Tensor], Tensor]:
        return lambda ops, x, skip: _norm(ops, config, f"{scope}/{name}/LayerNorm", ops.add(x, skip))

    return [
        *map(projection, ("query", "key", "value")),
        Stage(
            f"{attention}.scores",
            (f"{attention}.query", f"{attention}.key", _MASK),
            lambda ops, q, k, mask: _scores(ops, config, q, k, mask),
        ),
        Stage(f"{attention}.probs", (f"{attention}.scores",), lambda ops, scores: ops.softmax(scores)),
        Stage(
            f"{attention}.context",
            (f"{attention}.probs", f"{attention}.value"),
            lambda ops, probs, value: _context(ops, config, probs, value),
        ),
        Stage(
            f"{attention}.output",
            (f"{attention}.context",),
            lambda ops, x: _dense(ops, f"{scope}/attention/output/dense", x),
        ),
        Stage(f"{attention}.norm", (f"{attention}.output", before), residual_norm("attention/output")),
        Stage(
            f"{tap}.intermediate",
            (f"{attention}.norm",),
            lambda ops, x: _activate(ops, config, _dense(ops, f"{scope}/intermediate/dense", x)),
        ),
        Stage(f"{tap}.output", (f"{tap}.intermediate",), lambda ops, x: _dense(ops, f"{scope}/output/dense", x)),
        Stage(tap, (f"{tap}.output", f"{attention}.norm"), residual_norm("output")),
    ]


def _dense(ops: Ops, scope: str, x: Tensor) -> Tensor:
    return ops.add(ops.matmul(x, ops.weight(f"{scope}/kernel")), ops.weight(f"{scope}/bias"))


def _norm(ops: Ops, config: Config, scope: str, x: Tensor) -> Tensor:
    """tf.contrib.layers.layer_norm: moments, then batch_normalization's x * inv + (beta - mean * inv)."""
    mean = ops.mean(x, axis=-1)
    variance = ops.mean(ops.square(ops.sub(x, mean)), axis=-1)
    scale = ops.mul(ops.rsqrt(ops.add(variance, ops.constant(config.epsilon))), ops.weight(f"{scope}/gamma"))
    return ops.add(ops.mul(x, scale), ops.sub(ops.weight(f"{scope}/beta"), ops.mul(mean, scale)))


def _heads(ops: Ops, config: Config, x: Tensor) -> Tensor:
    rows, length, hidden = ops.shape(x)
    split = ops.reshape(x, (rows, length, config.heads, hidden // config.heads))
    return ops.transpose(split, (0, 2, 1, 3))


def _scores(ops: Ops, config: Config, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    products = ops.matmul(_heads(ops, config, query), _heads(ops, config, key), transpose_b=True)
    size = config.hidden_size // config.heads
    scaled = ops.mul(products, ops.constant(1.0 / math.sqrt(size)))
    visible = ops.expand(ops.expand(ops.cast(mask), axis=1), axis=1)
    return ops.add(scaled, ops.mul(ops.sub(ops.constant(1.0), visible), ops.constant(_MASKED)))


def _context(ops: Ops, config: Config, probs: Tensor, value: Tensor) -> Tensor:
    rows, length, hidden = ops.shape(value)
    mixed = ops.matmul(probs, _heads(ops, config, value))
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (rows, length, hidden))


def _gelu_erf(ops: Ops, x: Tensor) -> Tensor:
    """X * Phi(x) with erf: the original until 2019-02-07."""
    inner = ops.div(x, ops.constant(math.sqrt(2.0)))
    return ops.mul(x, ops.mul(ops.constant(0.5), ops.add(ops.constant(1.0), ops.erf(inner))))


def _gelu_tanh(ops: Ops, x: Tensor) -> Tensor:
    """Its tanh approximation: the original since commit bee6030."""
    cubed = ops.mul(ops.square(x), x)
    inner = ops.mul(ops.constant(math.sqrt(2.0 / math.pi)), ops.add(x, ops.mul(ops.constant(0.044715), cubed)))
    return ops.mul(x, ops.mul(ops.constant(0.5), ops.add(ops.constant(1.0), ops.tanh(inner))))


_ACTIVATIONS: dict[str, Callable[[Ops, Tensor], Tensor]] = {
    "gelu_erf": _gelu_erf,
    "gelu_tanh": _gelu_tanh,
    "relu": lambda ops, x: ops.maximum(x, 0.0),
    "tanh": lambda ops, x: ops.tanh(x),
    "linear": lambda ops, x: x,
}


def _activate(ops: Ops, config: Config, x: Tensor) -> Tensor:
    return _ACTIVATIONS[config.activation](ops, x)


def _pooler(ops: Ops, x: Tensor) -> Tensor:
    return ops.tanh(_dense(ops, "bert/pooler/dense", ops.index(x, 0, axis=1)))


def _transform(ops: Ops, config: Config, x: Tensor, positions: Tensor) -> Tensor:
    gathered = ops.take_positions(x, positions)
    dense = _activate(ops, config, _dense(ops, "cls/predictions/transform/dense", gathered))
    return _norm(ops, config, "cls/predictions/transform/LayerNorm", dense)


def _vocabulary(ops: Ops, x: Tensor) -> Tensor:
    products = ops.matmul(x, ops.weight("bert/embeddings/word_embeddings"), transpose_b=True)
    return ops.add(products, ops.weight("cls/predictions/output_bias"))


def _output(scope: str) -> Callable[[Ops, Tensor], Tensor]:
    def logits(ops: Ops, x: Tensor) -> Tensor:
        products = ops.matmul(x, ops.weight(f"{scope}output_weights"), transpose_b=True)
        return ops.add(products, ops.weight(f"{scope}output_bias"))

    return logits
