"""Arithmetic of a lower precision: the runtime's error beside that of the same roundings emulated.

Such an error falls to no float32 floor. Its own floor is the emulated error: of the size of it, and alike where the
roundings are the same (a matched filter), or made of numbers that the lower precision holds exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parity.backends.diagnosis.station import Station
from parity.backends.executors.rounded import Recipe, rounding
from parity.backends.recipes import RECIPES
from parity.tensorfile import Array

LARGEST, LEAST = 1.5, 0.5
"""Sizes of the error in units of the emulated one between which the two are the same arithmetic (numerics.md)."""
ALIKE = 0.8
"""Least correlation with the emulated error of values that are not visibly of the lower precision."""


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


def emulations(station: Station) -> Iterator[Emulated]:
    """Every arithmetic that the station's error might be that of."""
    exact = station.values()
    error = station.white(exact)
    if not np.isfinite(error).all():
        return
    seen = [piece.seen for piece in station.pieces]
    for sentence, recipe in _ARITHMETICS:
        label = recipe.rounding or ""
        emulated = station.emulated(recipe)
        shape = station.white([value.astype(np.float64) for value in emulated], exact)
        size = float(np.square(shape).sum())
        if not 0 < size < np.inf:
            continue
        ratio = float(np.sqrt(np.square(error).sum() / size))
        coefficient = float((error * shape).sum()) / size
        scatter = float(np.sqrt(np.square((shape * (error - coefficient * shape)).sum(axis=1)).sum())) / size
        alike = coefficient / ratio if ratio > 0 else 0.0
        same = alike >= ALIKE or all(_held(station, values, label) for values in (seen, emulated))
        holds = LEAST <= ratio <= LARGEST and same
        yield Emulated(f"{sentence} {label}", label, ratio, coefficient, scatter, alike, holds)


def _held(station: Station, values: Sequence[Array], label: str) -> bool:
    """Are all judged values numbers of that precision?"""
    through = rounding(label)
    judged = (value[piece.judged] for value, piece in zip(values, station.pieces, strict=True))
    return all(np.array_equal(through(value), value) for value in judged)


_ARITHMETICS = (
    *(("it computes in", RECIPES[name]) for name in ("bfloat16", "float16")),
    *(
        ("products, and what is made of them before a norm or a sum, are rounded to", RECIPES[name])
        for name in ("bfloat16-products", "bfloat16-fused")
    ),
    *(
        ("operands of products are rounded to", Recipe("no runtime's own", label, "factors"))
        for label in ("bfloat16", "float16", "TF32")
    ),
)
"""How it is told, and the roundings."""
