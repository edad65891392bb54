"""A matched filter: how much of a known direction is in an error that is mostly something else.

Under low precision an rms cannot see tanh in place of erf (ratio 1.02). The direction in which that fault would move a
layer is known exactly, though: the oracle computes it. The least-squares coefficient of the error along it is 0 for a
sound run and 1 for a faulty one, plus noise; and what rounding itself puts along that direction, the emulated sound run
tells: the two share most of their roundings, token by token, so scatter is that of their difference. (Least squares
along a known signal: Kay, Fundamentals of Statistical Signal Processing II, chapter 4.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.errors import ParityError
from parity.tensorfile import Array

SHARE: Final = 0.1
"""Largest standard error, in units of the difference sought, of a coefficient that says anything."""
THRESHOLD: Final = 0.5
"""Half-way between absent and whole: where a matched filter decides if both are as likely (Kay, chapter 4)."""
SURE: Final = 3.0
"""Standard errors that a coefficient must lie beyond it."""
ALIKE: Final = 0.01
"""Standard error below which one layer counts no more than another: how well roundings are emulated limits it then."""
LEAST: Final = 3
"""Fewest tokens a standard error is estimated from."""


@dataclass(frozen=True)
class Coefficient:
    """How much of a direction is in an error."""

    value: float
    """Less what the emulated sound run has of it; 1 = the whole difference sought."""
    error: float
    """Its standard error, from the scatter between tokens."""
    raw: float
    baseline: float
    """The emulated run's; 0 without one."""

    @property
    def identifiable(self) -> bool:
        """Is the standard error small enough, beside the difference sought, for the value to mean anything?"""
        return self.error <= SHARE

    @property
    def found(self) -> bool:
        """Is more of the difference in the error than not, beyond scatter?"""
        return self.identifiable and self.value - SURE * self.error >= THRESHOLD

    def __str__(self) -> str:
        """As a diagnosis says it."""
        if not self.identifiable:
            return f"not identifiable (standard error {self.error:.2g} of the difference sought)"
        return f"{self.value:.2f} ± {self.error:.2g}"


def matched(error: Array, direction: Array, *, emulated: Array | None = None) -> Coefficient:
    """Fit one coefficient along a direction.

    Args:
        error: the run's own error at one layer's tap, [tokens, C], real tokens only.
        direction: what the fault sought adds there: the reference with it minus the reference without, same shape.
        emulated: the own error of the sound precision emulated, same shape; its coefficient is taken off.

    Raises:
        ParityError: the shapes differ, fewer than three tokens, or the direction is nowhere different from 0.
    """
    parties = {"direction": direction, **({} if emulated is None else {"emulated": emulated})}
    for name, array in parties.items():
        if array.shape != error.shape or error.ndim != 2:
            raise ParityError(f"the {name} does not fit the error", got=list(array.shape), expected=list(error.shape))
    wanted = np.square(direction.astype(np.float64)).sum(axis=1)
    if len(error) < LEAST or not wanted.sum() > 0:
        raise ParityError(
            "nothing to fit a coefficient to", got=f"{len(error)} tokens", expected="a direction, 3 tokens"
        )
    raw = _fit(error, direction, wanted)
    if emulated is None:
        return Coefficient(*raw, raw[0], 0.0)
    baseline, _ = _fit(emulated, direction, wanted)
    return Coefficient(*_fit(error.astype(np.float64) - emulated, direction, wanted), raw[0], baseline)


def pooled(parts: Sequence[Coefficient]) -> Coefficient:
    """The coefficient that several layers have in common: their mean, weighted by inverse variances.

    (Independent measurements of one quantity: Cochran 1954, The combination of estimates from different experiments.)
    """
    finite = [part for part in parts if math.isfinite(part.value) and math.isfinite(part.error)]
    if not finite:
        return Coefficient(math.nan, math.nan, math.nan, math.nan)
    weights = np.array([1 / max(part.error, ALIKE) ** 2 for part in finite])
    numbers = np.array([(part.value, part.raw, part.baseline) for part in finite])
    value, raw, baseline = (weights @ numbers / weights.sum()).tolist()
    return Coefficient(value, 1 / math.sqrt(weights.sum()), raw, baseline)


def _fit(error: Array, direction: Array, wanted: Array) -> tuple[float, float]:
    """The coefficient and its standard error: tokens as independent, of unequal weight (a sandwich estimate)."""
    along = (error.astype(np.float64) * direction).sum(axis=1)
    value = float(along.sum() / wanted.sum())
    scatter = float(np.square(along - value * wanted).sum()) * len(along) / (len(along) - 1)
    return value, math.sqrt(scatter) / float(wanted.sum())
