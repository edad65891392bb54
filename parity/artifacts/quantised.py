"""Weights that a graph stores as integers: what they stand for, read from the graph itself.

A weight NAME lies in a graph as `NAME_quantized`, `NAME_scale` and, where steps are not symmetric, `NAME_zero_point`:
the names that ONNX Runtime's quantiser gives (quant_utils, TENSOR_NAME_QUANT_SUFFIX), and that our own IRs have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from parity.errors import ParityError
from parity.graphfile import Place
from parity.tensorfile import Array

INTEGERS, SCALE, ZERO_POINT = "_quantized", "_scale", "_zero_point"
DTYPES = frozenset({"int8", "uint8"})
_SLACK = 1e-5
"""Rounding of the quotient in float32 may go either way half a step from two levels."""


@dataclass(frozen=True)
class Quantised:
    """One weight as integers; scale and zero point are scalars, or broadcast against them."""

    integers: Place
    scale: Array
    zero_point: Array

    def values(self) -> Array:
        """What the integers stand for, float32, in the graph's orientation: (q - zero point) * scale."""
        steps = self.integers.read().astype(np.int32) - self.zero_point.astype(np.int32)
        values: Array = steps.astype(np.float32) * self.scale
        return values

    def holds(self, weight: Array) -> bool:
        """Is every value the nearest of its steps to `weight`, which is in the graph's orientation?"""
        errors = np.abs(self.values().astype(np.float64) - weight)
        return bool((errors <= self.scale.astype(np.float64) * (0.5 + _SLACK)).all())


def quantised(places: Iterable[Place]) -> Mapping[str, Quantised]:
    """The weights among a graph's constants that are stored as integers, by name.

    Raises:
        ParityError: integers without a scale, or one that does not fit them.
    """
    by_name = {place.name: place for place in places}
    found: dict[str, Quantised] = {}
    for name, place in by_name.items():
        if not name.endswith(INTEGERS) or place.dtype not in DTYPES:
            continue
        weight = name.removesuffix(INTEGERS)
        scale, zero = by_name.get(weight + SCALE), by_name.get(weight + ZERO_POINT)
        if scale is None or scale.dtype not in ("float32", "float16"):
            raise ParityError(f"no scale for the integers of {weight}", where=place.file, remedy="convert again")
        read = Quantised(
            place,
            scale.read().astype(np.float32).reshape(_bare(scale.shape)),
            np.zeros((), np.int32) if zero is None else zero.read().reshape(_bare(zero.shape)),
        )
        for array in (read.scale, read.zero_point):
            if np.broadcast_shapes(array.shape, place.shape) != place.shape:
                got, expected = list(array.shape), list(place.shape)
                raise ParityError(f"a scale that does not fit {weight}", where=place.file, got=got, expected=expected)
        found[weight] = read
    return found


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[1] and [] are one scalar."""
    return () if shape in ((), (1,)) else shape
