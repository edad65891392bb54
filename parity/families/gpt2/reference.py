"""GPT-2's original forward pass, operation for operation, over the checkpoint's own names.

Written from openai/gpt-2 src/model.py (norm, conv1d, attn, mlp, block, model). It must not see the weight table: a
fault there must not reach both sides.

Shapes: B rows, T tokens, P tokens of the past, E hidden size, H attention heads, d = E / H, Q logit positions, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from parity.errors import ParityError
from parity.families.gpt_layers import ACTIVATIONS, conv1d, heads, norm
from parity.families.values import Config, Head
from parity.ops import Ops, Stage, Tensor

_IDS, _POSITIONS = "inputs/input_ids", "inputs/logit_positions"
_MASKED = 1e10
"""What the score of a later token is lowered to."""


def stages(config: Config, head: Head) -> Sequence[Stage]:
    """The forward pass as named stages, embeddings first, logits last.

    Inputs: input_ids int [B,T]; past.k.key and past.k.value [B,H,P,d] of every block k, or none; logit_positions int
    [B,Q] where the head has logits.
    """
    past = "inputs/past.0.key"
    found = [
        Stage("embeddings", (_IDS, past), lambda ops, ids, past: _embeddings(ops, config, ids, past), optional=(past,))
    ]
    before = "embeddings"
    for i in range(config.layers):
        found += _block(config, i, before)
        before = f"layer.{i}"
    found.append(Stage("final_norm", (before,), lambda ops, x: norm(ops, config, "model/ln_f", x)))
    if head.taps:
        found.append(Stage("lm.input", ("final_norm", _POSITIONS), lambda ops, x, at: ops.take_positions(x, at)))
        found.append(Stage("logits.lm", ("lm.input",), _vocabulary))
    return found


def _embeddings(ops: Ops, config: Config, ids: Tensor, past: Tensor | None) -> Tensor:
    start = ops.shape(past)[2] if past is not None else 0
    stop = start + ops.shape(ids)[1]
    if stop > config.positions:
        remedy = "shorten the text or its past"
        raise ParityError(
            "no position for every token", got=stop, expected=f"at most {config.positions}", remedy=remedy
        )
    positions = ops.slice(ops.weight("model/wpe"), start, stop, axis=0)
    return ops.add(ops.gather_weight("model/wte", ids), positions)


def _block(config: Config, i: int, before: str) -> list[Stage]:
    scope, tap = f"model/h{i}", f"layer.{i}"
    attention, key, value = f"{tap}.attention", f"past.{i}.key", f"past.{i}.value"

    def conv(name: str) -> Callable[[Ops, Tensor], Tensor]:
        return lambda ops, x: conv1d(ops, f"{scope}/{name}", x)

    def normed(name: str) -> Callable[[Ops, Tensor], Tensor]:
        return lambda ops, x: norm(ops, config, f"{scope}/{name}", x)

    def third(part: str, at: int) -> Stage:
        start, stop = at * config.hidden_size, (at + 1) * config.hidden_size
        take = lambda ops, x: ops.slice(x, start, stop, axis=2)  # noqa: E731 - two names make the stage one line
        return Stage(f"{attention}.{part}", (f"{attention}.projection",), take)

    return [
        Stage(f"{attention}.norm", (before,), normed("ln_1")),
        Stage(f"{attention}.projection", (f"{attention}.norm",), conv("attn/c_attn")),
        *(third(part, at) for at, part in enumerate(("query", "key", "value"))),
        Stage(key, (f"{attention}.key",), lambda ops, x: heads(ops, config, x)),
        Stage(value, (f"{attention}.value",), lambda ops, x: heads(ops, config, x)),
        Stage(
            f"{attention}.scores",
            (f"{attention}.query", key, f"inputs/{key}"),
            lambda ops, query, new, past: _scores(ops, config, query, new, past),
            optional=(f"inputs/{key}",),
        ),
        Stage(f"{attention}.probs", (f"{attention}.scores",), lambda ops, scores: ops.softmax(scores)),
        Stage(
            f"{attention}.context",
            (f"{attention}.probs", value, f"inputs/{value}"),
            _context,
            optional=(f"inputs/{value}",),
        ),
        Stage(f"{attention}.output", (f"{attention}.context",), conv("attn/c_proj")),
        Stage(f"{attention}.residual", (before, f"{attention}.output"), lambda ops, x, a: ops.add(x, a)),
        Stage(f"{tap}.norm", (f"{attention}.residual",), normed("ln_2")),
        Stage(
            f"{tap}.intermediate",
            (f"{tap}.norm",),
            lambda ops, x: ACTIVATIONS[config.activation](ops, conv1d(ops, f"{scope}/mlp/c_fc", x)),
        ),
        Stage(f"{tap}.output", (f"{tap}.intermediate",), conv("mlp/c_proj")),
        Stage(tap, (f"{attention}.residual", f"{tap}.output"), lambda ops, x, m: ops.add(x, m)),
    ]


def _scores(ops: Ops, config: Config, query: Tensor, key: Tensor, past: Tensor | None) -> Tensor:
    keys = key if past is None else ops.concat((past, key), axis=2)
    new, every, size = ops.shape(key)[2], ops.shape(keys)[2], ops.shape(keys)[3]
    products = ops.matmul(heads(ops, config, query), keys, transpose_b=True)
    scaled = ops.mul(products, ops.rsqrt(ops.constant(float(size))))
    # Counted from the lower right corner: what is past is seen by every token.
    seen = ops.array(np.tri(new, every, every - new)[None, None])
    hidden = ops.mul(ops.constant(_MASKED), ops.sub(ops.constant(1.0), seen))
    return ops.sub(ops.mul(scaled, seen), hidden)


def _context(ops: Ops, probs: Tensor, value: Tensor, past: Tensor | None) -> Tensor:
    rows, heads, length, size = ops.shape(value)
    values = value if past is None else ops.concat((past, value), axis=2)
    mixed = ops.matmul(probs, values)
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (rows, length, heads * size))


def _vocabulary(ops: Ops, x: Tensor) -> Tensor:
    return ops.matmul(x, ops.weight("model/wte"), transpose_b=True)
