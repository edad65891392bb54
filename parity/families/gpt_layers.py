"""What GPT and GPT-2 are both made of, as their authors' code computes it.

Written from openai/finetune-transformer-lm train.py and openai/gpt-2 src/model.py, which share these functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from parity.families.values import Config
from parity.ops import Ops, Tensor


def conv1d(ops: Ops, scope: str, x: Tensor) -> Tensor:
    """A convolution of width 1: the matrix [in, out] is stored [1, in, out]."""
    matrix = ops.index(ops.weight(f"{scope}/w"), 0, axis=0)
    return ops.add(ops.matmul(x, matrix), ops.weight(f"{scope}/b"))


def norm(ops: Ops, config: Config, scope: str, x: Tensor) -> Tensor:
    """Over the last axis, [.., E]: (x - mean) * rsqrt(variance + epsilon) * g + b."""
    centred = ops.sub(x, ops.mean(x, axis=-1))
    variance = ops.mean(ops.square(centred), axis=-1)
    normed = ops.mul(centred, ops.rsqrt(ops.add(variance, ops.constant(config.epsilon))))
    return ops.add(ops.mul(normed, ops.weight(f"{scope}/g")), ops.weight(f"{scope}/b"))


def heads(ops: Ops, config: Config, x: Tensor) -> Tensor:
    """[B,T,E] as [B,H,T,E/H]."""
    rows, length, hidden = ops.shape(x)
    split = ops.reshape(x, (rows, length, config.heads, hidden // config.heads))
    return ops.transpose(split, (0, 2, 1, 3))


def gelu_tanh(ops: Ops, x: Tensor) -> Tensor:
    """The originals' gelu: the tanh formula."""
    cubed = ops.mul(ops.square(x), x)
    inner = ops.mul(ops.constant(math.sqrt(2.0 / math.pi)), ops.add(x, ops.mul(ops.constant(0.044715), cubed)))
    return ops.mul(ops.mul(ops.constant(0.5), x), ops.add(ops.constant(1.0), ops.tanh(inner)))


def gelu_erf(ops: Ops, x: Tensor) -> Tensor:
    """Never the original's own; models trained in transformers may name it, and a conversion may fall for it."""
    inner = ops.div(x, ops.constant(math.sqrt(2.0)))
    return ops.mul(ops.mul(ops.constant(0.5), x), ops.add(ops.constant(1.0), ops.erf(inner)))


ACTIVATIONS: Mapping[str, Callable[[Ops, Tensor], Tensor]] = {
    "gelu_tanh": gelu_tanh,
    "gelu_erf": gelu_erf,
    "relu": lambda ops, x: ops.maximum(x, 0.0),
    "tanh": lambda ops, x: ops.tanh(x),
    "linear": lambda ops, x: x,
}
