"""Arithmetic of a lower precision: the runtime's error beside that of the same roundings emulated.

Such an error falls to no float32 floor. Its own floor is the emulated error: of the size of it, and alike where the
roundings are the same (a matched filter), or made of numbers that the lower precision holds exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.backends.diagnosis.station import Station
from parity.backends.executors.numpy_ops import NumpyOps
from parity.measure.floor import Floats
from parity.tensorfile import Array, numpy_dtype

LARGEST, LEAST = 1.5, 0.5
"""Sizes of the error in units of the emulated one between which the two are the same arithmetic (numerics.md)."""
ALIKE = 0.8
"""Least correlation with the emulated error of values that are not visibly of the lower precision."""
_ROUNDED = ("matmul", "add", "sub", "mul", "div", "mean", "square", "rsqrt", "erf", "tanh", "softmax")


@dataclass(frozen=True)
class Emulated:
    """How the runtime's error compares with one arithmetic."""

    sentence: str
    subject: str
    ratio: float
    """Size of the error, in units of the emulated error's."""
    coefficient: float
    """Of the emulated error in the runtime's: 1 = the same roundings."""
    error: float
    alike: float
    holds: bool


class Rounding:
    """Any executor; every result, or every operand of a product, is rounded first."""

    def __init__(self, ops: Any, through: Callable[[Array], Array], *, operands: bool) -> None:
        self._ops, self._through, self._operands = ops, through, operands

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        """Rounded operands, or a rounded product."""
        if self._operands:
            product: Array = self._ops.matmul(self._through(a), self._through(b), transpose_b=transpose_b)
            return product
        return self._through(self._ops.matmul(a, b, transpose_b=transpose_b))

    def weight(self, name: str) -> Array:
        """In the precision of everything."""
        found: Array = self._ops.weight(name)
        return found if self._operands else self._through(found)

    def gather_weight(self, name: str, ids: Array) -> Array:
        """In the precision of everything."""
        found: Array = self._ops.gather_weight(name, ids)
        return found if self._operands else self._through(found)

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._ops, name)
        if self._operands or name not in _ROUNDED:
            return plain
        return lambda *values, **options: self._through(plain(*values, **options))


def emulations(station: Station) -> Iterator[Emulated]:
    """Every arithmetic that the station's error might be that of."""
    exact = station.values()
    error = station.white(exact)
    if not np.isfinite(error).all():
        return
    plain = NumpyOps(station.original.read, np.dtype("float64"))
    for label, through in _FORMATS.items():
        narrow = _held(station, through)
        for operands in (False, True):
            emulated = station.emulated(Rounding(plain, through, operands=operands))
            shape = station.white(emulated, exact)
            size = float(np.square(shape).sum())
            if not 0 < size < np.inf:
                continue
            ratio = float(np.sqrt(np.square(error).sum() / size))
            coefficient = float((error * shape).sum()) / size
            scatter = float(np.sqrt(np.square((shape * (error - coefficient * shape)).sum(axis=1)).sum())) / size
            alike = coefficient / ratio if ratio > 0 else 0.0
            holds = LEAST <= ratio <= LARGEST and (alike >= ALIKE or (narrow and not operands))
            what = "operands of products are rounded to" if operands else "it computes in"
            yield Emulated(f"{what} {label}", label, ratio, coefficient, scatter, alike, holds)


def _held(station: Station, through: Callable[[Array], Array]) -> bool:
    """Are all the runtime's values numbers of that precision?"""
    seen = (piece.seen[piece.judged].astype(np.float64) for piece in station.pieces)
    return all(np.array_equal(through(values), values) for values in seen)


def _cast(dtype: str) -> Callable[[Array], Array]:
    def through(x: Array) -> Array:
        with np.errstate(over="ignore"):
            return x.astype(np.float32).astype(numpy_dtype(dtype)).astype(np.float64)

    return through


def _ten_bits(x: Array) -> Array:
    """TF32: float32's exponents, ten bits behind the point, to nearest and ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & np.uint32(0xFFFFE000)
    found: Floats = rounded.view(np.float32).astype(np.float64).reshape(np.shape(x))
    return found


_FORMATS: Mapping[str, Callable[[Array], Array]] = {
    "bfloat16": _cast("bfloat16"),
    "float16": _cast("float16"),
    "TF32": _ten_bits,
}
