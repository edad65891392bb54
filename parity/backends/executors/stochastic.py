"""Stochastic arithmetic: the rounding error of ordinary float32 arithmetic, drawn instead of suffered.

Every value carries lanes on a first axis of its own: lane 0 is noiseless, each further lane is one seed, in which
every operation adds noise of mean 0 and the standard deviation that float32 roundings have there (`numerics.md`,
"Floor"; sums as recursive summation in blocks, Higham & Mary 2019). A value that no rounding has touched has lane 0
only, so that what is exact stays visibly exact. Noise is a random sign times the deviation: its square does not
scatter, which makes four seeds say as much about one rounding as a thousand.

The noise is `UNIT / unit` times too large, and small enough to be propagated linearly: float32 can hold it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from scipy import special

from parity.backends.executors.numpy_ops import NumpyOps
from parity.tensorfile import Array

UNIT: Final = 2.0**-24
"""float32's unit roundoff: what the noise stands for."""
UNITS: Final = {"float32": 2.0**-14, "float64": 2.0**-24}
"""Unit roundoff that the noise is drawn with, by the dtype it is computed in."""
ROUNDING: Final = 0.42
"""Standard deviation of one rounding, in unit roundoffs of the result: uniform, over log-uniform mantissas."""
LIBRARY: Final = 3.0
"""Error of exp, erf, tanh and rsqrt, in unit roundoffs of the result."""
BLOCK: Final = 512
"""Terms that are summed one after the other."""
_SIGNS = np.where(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1), np.float32(1), np.float32(-1))
"""The bits of a byte as signs: a table is several times as fast as drawing numbers."""
_CACHE = 1 << 20
"""Elements of a weight that are squared at a time: they stay in the processor's cache."""


def growth(terms: int) -> tuple[float, float]:
    """(a, b) of a sum's variance `(0.42 u)^2 (a/2 sum t^2 + b/3 y^2)`: one block, or blocks and then their sums."""
    if terms <= BLOCK:
        return terms, terms
    return BLOCK + terms / BLOCK, BLOCK**2 / terms + terms / BLOCK


_UNIFORM = 1e-9
"""Variance of a row that is too uniform whatever the epsilon: a thousand times BERT's. GPT-2's 1e-5 is no measure of
it: a thousand times that is more than most of its embeddings have, and the whole model would go unjudged."""


class StochasticOps:
    """`parity.ops.Ops` on lanes `[1, ...]` (exact) or `[1 + seeds, ...]`. One object per row: it holds its dice."""

    def __init__(self, plain: NumpyOps, dice: np.random.Generator, *, seeds: int, unit: float) -> None:
        """Args: weights and their dtype, what the noise is drawn from, for how many lanes, with which roundoff."""
        self._plain, self._dice, self._seeds, self._unit = plain, dice, seeds, unit
        self._centre: tuple[Array, Array, int] | None = None
        self._spread: tuple[Array, Array] | None = None
        self.degenerate: list[Array] = []
        """Where the input of a normalisation is too uniform to be judged: bool, without lanes; the reader clears it."""

    def weight(self, name: str) -> Array:
        """Exact."""
        return self._plain.weight(name)[None]

    def gather_weight(self, name: str, ids: Array) -> Array:
        """Exact."""
        return self._plain.gather_weight(name, ids)

    def constant(self, value: float) -> Array:
        """Exact."""
        return self._plain.constant(value)[None]

    def cast(self, x: Array) -> Array:
        """Exact."""
        return self._plain.cast(x)

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        """Sums of products: one rounding each of the running sums."""
        right = np.swapaxes(b, -1, -2) if transpose_b else b
        if len(right) == 1 and right.ndim == 3:  # a weight: one product of all lanes
            product = self._plain.matmul(a, right[0])
        else:
            product = _lanes(np.matmul, a, right)
        return self._summed(product, _squares(a[0], right[0]), a.shape[-1])

    def add(self, a: Array, b: Array) -> Array:
        """One rounding."""
        return self._rounded(np.add, a, b)

    def sub(self, a: Array, b: Array) -> Array:
        """One rounding. Subtracting a mean from what it is the mean of begins a normalisation."""
        difference = self._rounded(np.subtract, a, b)
        if self._centre is not None and a is self._centre[0] and b is self._centre[1]:
            centred = difference[0].astype(np.float64)
            variance: Array = np.mean(np.square(centred), axis=self._centre[2], keepdims=True)
            self._spread = b[0].astype(np.float64), variance
        return difference

    def mul(self, a: Array, b: Array) -> Array:
        """One rounding, none for a power of two."""
        return _lanes(np.multiply, a, b) if _power(a) or _power(b) else self._rounded(np.multiply, a, b)

    def div(self, a: Array, b: Array) -> Array:
        """One rounding, none for a power of two."""
        return _lanes(np.divide, a, b) if _power(b) else self._rounded(np.divide, a, b)

    def mean(self, x: Array, *, axis: int) -> Array:
        """A sum; what its division adds is less than what the model is good for."""
        along = _inner(axis)
        terms = x.shape[along]
        mean = np.mean(x, axis=along, keepdims=True)
        squares = np.sum(np.square(x[:1] / terms), axis=along, keepdims=True)[0]
        result = self._summed(mean, squares, terms)
        self._centre = (x, result, axis)
        return result

    def square(self, x: Array) -> Array:
        """One rounding."""
        return self.mul(x, x)

    def rsqrt(self, x: Array) -> Array:
        """A library function. What it normalises by is looked at here, when the epsilon is in it."""
        if self._spread is not None and self._spread[1].shape == x.shape[1:]:
            mean, variance = self._spread
            epsilon = x[0] - variance
            small = np.minimum(1e3 * epsilon, _UNIFORM)
            self.degenerate.append((variance < small) | (variance < 2.0**-20 * np.square(mean)))
            self._spread = None
        return self._library(np.divide(self._plain.constant(1.0), np.sqrt(x)))

    def erf(self, x: Array) -> Array:
        """A library function."""
        return self._library(special.erf(x))

    def tanh(self, x: Array) -> Array:
        """A library function."""
        return self._library(np.tanh(x))

    def maximum(self, x: Array, floor: float) -> Array:
        """Exact."""
        return self._plain.maximum(x, floor)

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        """exp(x - max) / sum, each step with its own error."""
        along = _inner(axis)
        shifted = self._rounded(np.subtract, x, x.max(axis=along, keepdims=True))
        exponentials = self._library(np.exp(shifted))
        squares = np.sum(np.square(exponentials[0]), axis=axis, keepdims=True)
        total = self._summed(exponentials.sum(axis=along, keepdims=True), squares, x.shape[along])
        return self._rounded(np.divide, exponentials, total)

    def log_softmax(self, x: Array, *, axis: int = -1) -> Array:
        """(x - max) - log(sum(exp(x - max))), each step with its own error."""
        along = _inner(axis)
        shifted = self._rounded(np.subtract, x, x.max(axis=along, keepdims=True))
        exponentials = self._library(np.exp(shifted))
        squares = np.sum(np.square(exponentials[0]), axis=axis, keepdims=True)
        total = self._summed(exponentials.sum(axis=along, keepdims=True), squares, x.shape[along])
        return self._rounded(np.subtract, shifted, self._library(np.log(total)))

    def sin(self, x: Array) -> Array:
        """A library function."""
        return self._library(np.sin(x))

    def cos(self, x: Array) -> Array:
        """A library function."""
        return self._library(np.cos(x))

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        """Exact."""
        return x.reshape(len(x), *shape)

    def transpose(self, x: Array, axes: Sequence[int]) -> Array:
        """Exact."""
        return x.transpose(0, *(axis % (x.ndim - 1) + 1 for axis in axes))

    def expand(self, x: Array, *, axis: int) -> Array:
        """Exact."""
        return np.expand_dims(x, _inner(axis))

    def index(self, x: Array, position: int, *, axis: int) -> Array:
        """Exact."""
        return self._plain.index(x, position, axis=_inner(axis))

    def take_positions(self, x: Array, positions: Array) -> Array:
        """Exact."""
        return x[:, np.arange(x.shape[1])[:, None], positions[0]]

    def slice_rows(self, x: Array, stop: int) -> Array:
        """Exact."""
        return x[:, :stop]

    def concat(self, parts: Sequence[Array], *, axis: int) -> Array:
        """Exact; parts without noise take as many lanes as the others."""
        lanes = max(map(len, parts))
        wide = [part if len(part) == lanes else np.repeat(part, lanes, axis=0) for part in parts]
        return np.concatenate(wide, axis=_inner(axis))

    def slice(self, x: Array, start: int, stop: int | None, *, axis: int) -> Array:
        """Exact."""
        return self._plain.slice(x, start, stop, axis=_inner(axis))

    def array(self, values: Sequence[Any] | Array) -> Array:
        """Exact."""
        return self._plain.array(values)[None]

    def within(self, ids: Array, low: int, high: int) -> Array:
        """Exact."""
        return self._plain.within(ids, low, high)

    def offset(self, ids: Array, low: int, high: int) -> Array:
        """Exact."""
        return self._plain.offset(ids, low, high)

    def differs(self, a: Array, b: Array) -> Array:
        """Exact."""
        left, right = (x.reshape(len(x), *(1,) * (max(a.ndim, b.ndim) - x.ndim), *x.shape[1:]) for x in (a, b))
        return self._plain.differs(left, right)

    def shape(self, x: Array) -> tuple[int, ...]:
        """The shape without lanes."""
        return x.shape[1:]

    def _rounded(self, operation: Callable[..., Array], a: Array, b: Array) -> Array:
        value = _lanes(operation, a, b)
        if len(a) == len(b) == 1:
            # Sums of values born in half precision, masks, whole numbers: nothing is lost anywhere.
            wide = operation(a[0].astype(np.float64), b[0].astype(np.float64))
            if np.array_equal(wide, value[0].astype(np.float32)):
                return value
        return self._noisy(value, ROUNDING * np.abs(value[0]))

    def _library(self, value: Array) -> Array:
        return self._noisy(value, LIBRARY * np.abs(value[0]))

    def _summed(self, value: Array, squares: Array, terms: int) -> Array:
        """`squares`: sum of the squared terms, in units of which `value` is the sum."""
        a, b = growth(terms)
        variance = squares * (a / 2)
        variance += np.square(value[0]) * (b / 3)
        return self._noisy(value, ROUNDING * np.sqrt(variance))

    def _noisy(self, value: Array, deviation: Array) -> Array:
        """`value`, which is nobody else's, with noise of that standard deviation times the unit in all lanes but 0."""
        noisy: Array = value if len(value) > 1 else np.repeat(value, 1 + self._seeds, axis=0)
        size = self._seeds * deviation.size
        dice = np.frombuffer(self._dice.bytes(math.ceil(size / 8)), np.uint8)
        noise = _SIGNS.take(dice, axis=0).reshape(-1)[:size].reshape(self._seeds, *deviation.shape)
        noise *= deviation * self._unit
        noisy[1:] += noise
        return noisy


def _inner(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


def _lanes(operation: Callable[..., Array], a: Array, b: Array) -> Array:
    """Broadcast behind the lanes."""
    axes = max(a.ndim, b.ndim)
    left, right = (x.reshape(len(x), *(1,) * (axes - x.ndim), *x.shape[1:]) for x in (a, b))
    return operation(left, right)


def _power(x: Array) -> bool:
    """Is it one exact power of two, by which nothing is rounded?"""
    return x.size == 1 and abs(math.frexp(x.item())[0]) == 0.5


def _squares(a: Array, right: Array) -> Array:
    """Sums of the squared products over the last axis of `a`: as many operations as one lane's product."""
    left = np.square(a)
    if right.ndim > 2:
        several: Array = left @ np.square(right)
        return several
    flat = left.reshape(-1, left.shape[-1])
    sums: Array = np.empty((len(flat), right.shape[1]), left.dtype)
    width = max(_CACHE // len(right), 1)
    for start in range(0, right.shape[1], width):
        columns: np.ndarray[Any, Any] = right[:, start : start + width].astype(left.dtype, copy=False)
        np.matmul(flat, np.square(columns), out=sums[:, start : start + width])
    return sums.reshape(*left.shape[:-1], right.shape[1])
