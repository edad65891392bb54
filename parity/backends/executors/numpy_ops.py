"""A reference's operations on NumPy, in float64 (the oracle) or float32 (where TensorFlow is missing)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import special

from parity.tensorfile import Array

Read: TypeAlias = Callable[[str], Array]
LARGE = 1 << 24
"""Elements from which a table is not held a second time in a wider dtype, but widened where it is used."""
_BLOCK = 1 << 20
"""Elements widened at a time: they stay in the processor's cache."""


class NumpyOps:
    """`parity.ops.Ops` on arrays of one dtype. Safe to share between threads; weights are read once and kept."""

    def __init__(self, read: Read, dtype: np.dtype[Any]) -> None:
        self._read, self._dtype = read, dtype
        self._weights: dict[str, Array] = {}
        self._lock = threading.RLock()

    def weight(self, name: str) -> Array:
        """The variable in the executor's dtype; a large table as stored, which every operation widens exactly."""
        with self._lock:
            if name not in self._weights:
                stored = self._read(name)
                wide = stored.size >= LARGE and np.can_cast(stored.dtype, self._dtype)
                self._weights[name] = stored if wide else stored.astype(self._dtype, copy=False)
                self._weights[name].flags.writeable = False
            return self._weights[name]

    def gather_weight(self, name: str, ids: Array) -> Array:
        """Rows of the variable."""
        return self.weight(name)[ids].astype(self._dtype, copy=False)

    def constant(self, value: float) -> Array:
        """A scalar."""
        return np.asarray(value, self._dtype)

    def cast(self, x: Array) -> Array:
        """Integers in the executor's dtype."""
        return x.astype(self._dtype)

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        """Matrix product over the last two axes."""
        right = np.swapaxes(b, -1, -2) if transpose_b else b
        if right.ndim == 2 and a.ndim > 2:
            # One large product, as the original's reshape_to_matrix has it, in place of one per row.
            return self.matmul(a.reshape(-1, a.shape[-1]), right).reshape(*a.shape[:-1], right.shape[-1])
        if right.dtype != self._dtype and right.ndim == 2:
            return self._by_columns(a, right)
        product: Array = a @ right
        return product

    def _by_columns(self, a: Array, narrow: Array) -> Array:
        width = max(_BLOCK // len(narrow), 1)
        product = np.empty((len(a), narrow.shape[1]), self._dtype)
        for start in range(0, narrow.shape[1], width):
            columns = slice(start, start + width)
            np.matmul(a, narrow[:, columns].astype(self._dtype), out=product[:, columns])
        return product

    def add(self, a: Array, b: Array) -> Array:
        """Sum."""
        total: Array = np.add(a, b)
        return total

    def sub(self, a: Array, b: Array) -> Array:
        """Difference."""
        difference: Array = np.subtract(a, b)
        return difference

    def mul(self, a: Array, b: Array) -> Array:
        """Product."""
        product: Array = np.multiply(a, b)
        return product

    def div(self, a: Array, b: Array) -> Array:
        """Quotient."""
        quotient: Array = np.divide(a, b)
        return quotient

    def mean(self, x: Array, *, axis: int) -> Array:
        """Mean over `axis`, kept."""
        mean: Array = np.mean(x, axis=axis, keepdims=True)
        return mean

    def square(self, x: Array) -> Array:
        """Product with itself."""
        return self.mul(x, x)

    def rsqrt(self, x: Array) -> Array:
        """1 / sqrt(x)."""
        return self.div(self.constant(1.0), np.sqrt(x))

    def erf(self, x: Array) -> Array:
        """Gauss error function."""
        value: Array = special.erf(x)
        return value

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""
        value: Array = np.tanh(x)
        return value

    def maximum(self, x: Array, floor: float) -> Array:
        """max(x, floor)."""
        value: Array = np.maximum(x, self.constant(floor))
        return value

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        """exp(x - max) / sum."""
        exponentials: Array = x - x.max(axis=axis, keepdims=True)
        np.exp(exponentials, out=exponentials)
        exponentials /= exponentials.sum(axis=axis, keepdims=True)
        return exponentials

    def log_softmax(self, x: Array, *, axis: int = -1) -> Array:
        """X - max - log(sum(exp(x - max)))."""
        shifted: Array = x - x.max(axis=axis, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
        return shifted

    def sin(self, x: Array) -> Array:
        """Sine."""
        value: Array = np.sin(x)
        return value

    def cos(self, x: Array) -> Array:
        """Cosine."""
        value: Array = np.cos(x)
        return value

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        """Same elements, another shape."""
        return x.reshape(tuple(shape))

    def transpose(self, x: Array, axes: Sequence[int]) -> Array:
        """Permute axes."""
        return x.transpose(tuple(axes))

    def expand(self, x: Array, *, axis: int) -> Array:
        """Insert a dimension of 1."""
        return np.expand_dims(x, axis)

    def index(self, x: Array, position: int, *, axis: int) -> Array:
        """One position of `axis`."""
        taken: Array = np.take(x, position, axis=axis)
        return taken

    def take_positions(self, x: Array, positions: Array) -> Array:
        """x[b, positions[b, q]]."""
        taken: Array = x[np.arange(len(x))[:, None], positions]
        return taken

    def slice_rows(self, x: Array, stop: int) -> Array:
        """x[:stop]."""
        return x[:stop]

    def concat(self, parts: Sequence[Array], *, axis: int) -> Array:
        """One after the other."""
        return np.concatenate(parts, axis=axis)

    def slice(self, x: Array, start: int, stop: int | None, *, axis: int) -> Array:
        """A part of one axis."""
        part: Array = x[(*(slice(None),) * (axis % x.ndim), slice(start, stop))]
        return part

    def array(self, values: Sequence[Any] | Array) -> Array:
        """Fixed numbers."""
        return np.asarray(values, np.float64).astype(self._dtype)

    def within(self, ids: Array, low: int, high: int) -> Array:
        """1 where low <= id < high."""
        return ((ids >= low) & (ids < high)).astype(self._dtype)

    def offset(self, ids: Array, low: int, high: int) -> Array:
        """Id - low, 0 outside."""
        inside: Array = np.where((ids >= low) & (ids < high), ids - low, 0)
        return inside

    def differs(self, a: Array, b: Array) -> Array:
        """1 where a != b."""
        other: Array = np.not_equal(a, b).astype(self._dtype)
        return other

    def shape(self, x: Array) -> tuple[int, ...]:
        """The shape."""
        return x.shape
