"""A reference's operations on TensorFlow's own kernels, eagerly: what the original graph computed with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from parity.ops import Tensor
from parity.tensorfile import Array


class TensorFlowOps:
    """`parity.ops.Ops` on eager tensors of one dtype; weights are read once and kept."""

    def __init__(self, read: Callable[[str], Array], dtype: str) -> None:
        self._read, self._dtype = read, tf.as_dtype(dtype)
        self._weights: dict[str, Tensor] = {}

    def weight(self, name: str) -> Tensor:
        """The variable in the executor's dtype."""
        if name not in self._weights:
            self._weights[name] = tf.cast(tf.constant(self._read(name)), self._dtype)
        return self._weights[name]

    def gather_weight(self, name: str, ids: Tensor) -> Tensor:
        """Rows of the variable."""
        return tf.gather(self.weight(name), ids)

    def constant(self, value: float) -> Tensor:
        """A scalar."""
        return tf.constant(value, self._dtype)

    def cast(self, x: Tensor) -> Tensor:
        """Integers in the executor's dtype."""
        return tf.cast(x, self._dtype)

    def matmul(self, a: Tensor, b: Tensor, *, transpose_b: bool = False) -> Tensor:
        """Matrix product over the last two axes."""
        if len(b.shape) == 2 and len(a.shape) > 2:
            # The original flattens to a matrix first (reshape_to_matrix): MatMul, not BatchMatMul.
            flat = tf.matmul(tf.reshape(a, (-1, a.shape[-1])), b, transpose_b=transpose_b)
            return tf.reshape(flat, (*a.shape[:-1], flat.shape[-1]))
        return tf.matmul(a, b, transpose_b=transpose_b)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum."""
        return tf.add(a, b)

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        """Difference."""
        return tf.subtract(a, b)

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """Product."""
        return tf.multiply(a, b)

    def div(self, a: Tensor, b: Tensor) -> Tensor:
        """Quotient."""
        return tf.divide(a, b)

    def mean(self, x: Tensor, *, axis: int) -> Tensor:
        """Mean over `axis`, kept."""
        return tf.reduce_mean(x, axis=axis, keepdims=True)

    def square(self, x: Tensor) -> Tensor:
        """Product with itself."""
        return tf.square(x)

    def rsqrt(self, x: Tensor) -> Tensor:
        """1 / sqrt(x)."""
        return tf.math.rsqrt(x)

    def erf(self, x: Tensor) -> Tensor:
        """Gauss error function."""
        return tf.math.erf(x)

    def tanh(self, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return tf.tanh(x)

    def maximum(self, x: Tensor, floor: float) -> Tensor:
        """max(x, floor)."""
        return tf.maximum(x, self.constant(floor))

    def softmax(self, x: Tensor, *, axis: int = -1) -> Tensor:
        """exp(x - max) / sum."""
        return tf.nn.softmax(x, axis=axis)

    def log_softmax(self, x: Tensor, *, axis: int = -1) -> Tensor:
        """X - max - log(sum(exp(x - max)))."""
        return tf.nn.log_softmax(x, axis=axis)

    def sin(self, x: Tensor) -> Tensor:
        """Sine."""
        return tf.sin(x)

    def cos(self, x: Tensor) -> Tensor:
        """Cosine."""
        return tf.cos(x)

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Same elements, another shape."""
        return tf.reshape(x, tuple(shape))

    def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Permute axes."""
        return tf.transpose(x, tuple(axes))

    def expand(self, x: Tensor, *, axis: int) -> Tensor:
        """Insert a dimension of 1."""
        return tf.expand_dims(x, axis)

    def index(self, x: Tensor, position: int, *, axis: int) -> Tensor:
        """One position of `axis`."""
        return tf.gather(x, position, axis=axis)

    def take_positions(self, x: Tensor, positions: Tensor) -> Tensor:
        """x[b, positions[b, q]]."""
        return tf.gather(x, positions, batch_dims=1)

    def slice_rows(self, x: Tensor, stop: int) -> Tensor:
        """x[:stop]."""
        return x[:stop]

    def concat(self, parts: Sequence[Tensor], *, axis: int) -> Tensor:
        """One after the other."""
        return tf.concat(list(parts), axis=axis)

    def slice(self, x: Tensor, start: int, stop: int | None, *, axis: int) -> Tensor:
        """A part of one axis."""
        return x[(*(slice(None),) * (axis % len(x.shape)), slice(start, stop))]

    def array(self, values: Sequence[Any] | Array) -> Tensor:
        """Fixed numbers."""
        return tf.cast(tf.constant(np.asarray(values, np.float64)), self._dtype)

    def within(self, ids: Tensor, low: int, high: int) -> Tensor:
        """1 where low <= id < high."""
        return self.cast((ids >= low) & (ids < high))

    def offset(self, ids: Tensor, low: int, high: int) -> Tensor:
        """Id - low, 0 outside."""
        return tf.where((ids >= low) & (ids < high), ids - low, tf.zeros_like(ids))

    def differs(self, a: Tensor, b: Tensor) -> Tensor:
        """1 where a != b."""
        return self.cast(tf.not_equal(a, b))

    def shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape."""
        return tuple(x.shape)

    @staticmethod
    def tensor(array: Array) -> Tensor:
        """An input array as a tensor."""
        return tf.constant(array)

    @staticmethod
    def numpy(tensor: Tensor) -> Any:
        """A tensor as an array of the same dtype."""
        return tensor.numpy()
