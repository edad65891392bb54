"""The two layers that everything in XLNet is made of, as tf.layers and tf.contrib.layers compute them."""

from __future__ import annotations

from parity.families.values import Config
from parity.ops import Ops, Tensor


def dense(ops: Ops, scope: str, x: Tensor) -> Tensor:
    """X W + b, [.., in] to [.., out]."""
    return ops.add(ops.matmul(x, ops.weight(f"{scope}/kernel")), ops.weight(f"{scope}/bias"))


def norm(ops: Ops, config: Config, scope: str, x: Tensor) -> Tensor:
    """tf.contrib.layers.layer_norm: moments, then batch_normalization's x * inv + (beta - mean * inv)."""
    mean = ops.mean(x, axis=-1)
    variance = ops.mean(ops.square(ops.sub(x, mean)), axis=-1)
    scale = ops.mul(ops.rsqrt(ops.add(variance, ops.constant(config.epsilon))), ops.weight(f"{scope}/LayerNorm/gamma"))
    return ops.add(ops.mul(x, scale), ops.sub(ops.weight(f"{scope}/LayerNorm/beta"), ops.mul(mean, scale)))
