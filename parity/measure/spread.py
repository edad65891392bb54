"""How magnitudes are spread: a histogram of fixed size on a logarithmic axis, so that quantiles need no second pass.

A squared magnitude (float64) is filed under its topmost 16 bits: sign, exponent, and four bits of mantissa.
A bin is thus 1/16 wide in the square and answers with its middle: a quantile is right within 1/64 of itself (1.6 %).
Magnitudes under 2^-150, less than float32's smallest, count as zero; those of 2^128 and above, which no float32 holds,
as infinite.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]

RESOLUTION: Final = 1 / 64
"""Largest relative error of a quantile."""
RAW_SHIFT: Final = 48
"""The bits of a square, as uint64, shifted by this are its raw bin."""
RAW_BINS: Final = 1 << 16
"""The upper half is for NaN with its sign bit set, which is what processors make of inf - inf."""
_STEPS: Final = 16
_LOWEST, _HIGHEST = -300, 256
_FIRST: Final = (1023 + _LOWEST) * _STEPS
_PAST: Final = (1023 + _HIGHEST) * _STEPS
BINS: Final = _PAST - _FIRST + 2
"""The first is zero, the last infinite or NaN."""


def folded(raw: Counts) -> Counts:
    """Counts int64 [BINS] from counts of raw bins, int64 [RAW_BINS]."""
    return np.concatenate(([raw[:_FIRST].sum()], raw[_FIRST:_PAST], [raw[_PAST:].sum()]))


def quantile(counts: Counts, share: float) -> float:
    """The magnitude that `share` of the counted ones do not exceed; NaN if nothing was counted.

    Args:
        counts: int64 [BINS].
        share: between 0 and 1.
    """
    total = int(counts.sum())
    if not total:
        return math.nan
    place = int(np.searchsorted(np.cumsum(counts), max(1, math.ceil(share * total))))
    if place in (0, BINS - 1):
        return math.inf if place else 0.0
    exponent, step = divmod(place - 1, _STEPS)
    return math.sqrt(math.ldexp(1 + (step + 0.5) / _STEPS, exponent + _LOWEST))
