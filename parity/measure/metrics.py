"""The numbers of a deviation row, computed from sums. Names and meanings are those of `numerics.md`.

Without suffix: candidate minus source; with suffix `_oracle`: candidate minus oracle.

| name | unit | meaning |
|---|---|---|
| count | values | real positions times channels |
| mean, std, rms, max | of the tap | mean is signed; std about the mean; max of magnitudes |
| rel_rms | 1 | rms(e) / rms(reference) |
| digits | bits | -log2(rel_rms); infinite when nothing deviates |
| ulp_p50, ulp_p999 | ulp | quantiles of magnitudes in float32 spacings at the reference's rms, right within 1/64 |
| bit_equal | values | candidate is, bit for bit, the reference rounded to its dtype |
| ratio | 1 | rms(candidate - oracle) / rms(source - oracle), the latter at least 2^-26 rms(oracle) |
| source_rms_oracle | of the tap | rms(source - oracle) |
| channel_ratio_max, channel_ratio_at | 1, channel | largest per-channel ratio, and where; absent if C varies |
| nan, nan_reference | values | not finite: in the candidate, in source and oracle |

The std comes from the sum and the sum of squares: below 1e-8 of the mean it is rounding noise.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from parity.measure.spread import quantile
from parity.measure.sums import AGAINST_ORACLE, AGAINST_SOURCE, SOURCE_ERROR, Deviation, Sums

FLOOR: Final = 2.0**-26
"""Least denominator of a ratio, in units of rms(oracle): a quarter of float32's unit roundoff 2^-24."""
CHANNEL_FLOOR: Final = 1 / 8
"""Least denominator of a channel's ratio, in units of the tap's: trained models have dead channels (numerics.md)."""


def compute(sums: Sums) -> dict[str, float]:
    """All metrics that the sums allow: what needs a source or an oracle is absent without it."""
    found: dict[str, float] = {
        "count": sums.count,
        "nan": sums.nonfinite["candidate"],
        "nan_reference": sum(count for party, count in sums.nonfinite.items() if party != "candidate"),
    }
    for pair, suffix in ((AGAINST_SOURCE, ""), (AGAINST_ORACLE, "_oracle")):
        if pair in sums.deviations:
            scale = _root_mean(sums.squares[pair[1]], sums.count)
            against = _against(sums.deviations[pair], sums.count, scale)
            found |= {name + suffix: value for name, value in against.items()}
    if SOURCE_ERROR in sums.deviations:
        found |= _ratios(sums)
    return found


def is_exact(sums: Sums) -> bool:
    """Is the source, everywhere, the oracle rounded to the source's dtype without error?"""
    error = sums.deviations.get(SOURCE_ERROR)
    return error is not None and sums.count > 0 and error.same == sums.count


def _against(deviation: Deviation, count: int, scale: float) -> dict[str, float]:
    rms = _root_mean(deviation.squares, count)
    mean = deviation.total / count if count else math.nan
    relative = _over(rms, scale)
    ulp = _spacing(scale)
    return {
        "mean": mean,
        "std": math.sqrt(max(0.0, rms * rms - mean * mean)) if math.isfinite(rms) else math.nan,
        "rms": rms,
        "max": deviation.largest,
        "rel_rms": relative,
        "digits": -math.log2(relative) if relative else math.inf,
        "ulp_p50": _over(quantile(deviation.spread, 0.5), ulp),
        "ulp_p999": _over(quantile(deviation.spread, 0.999), ulp),
        "bit_equal": deviation.same,
    }


def _ratios(sums: Sums) -> dict[str, float]:
    candidate, source = sums.deviations[AGAINST_ORACLE], sums.deviations[SOURCE_ERROR]
    floor = FLOOR * _root_mean(sums.squares["oracle"], sums.count)
    original = _root_mean(source.squares, sums.count)
    least = max(original, floor)
    found = {"ratio": _over(_root_mean(candidate.squares, sums.count), least), "source_rms_oracle": original}
    if candidate.channels is not None and source.channels is not None and sums.count:
        each = sums.count / len(candidate.channels)
        floors = np.maximum(np.sqrt(source.channels / each), CHANNEL_FLOOR * least)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.sqrt(candidate.channels / each) / floors
        ratios[candidate.channels == 0] = 0.0
        place = int(ratios.argmax())
        found |= {"channel_ratio_max": float(ratios[place]), "channel_ratio_at": place}
    return found


def _spacing(scale: float) -> float:
    """Distance between neighbouring float32 numbers at this magnitude."""
    return math.ldexp(1.0, max(math.frexp(scale)[1] - 1, -126) - 23) if math.isfinite(scale) else math.nan


def _root_mean(squares: float, count: int) -> float:
    return math.sqrt(squares / count) if count and not math.isnan(squares) else math.nan


def _over(value: float, scale: float) -> float:
    """The quotient; nothing is nothing of any scale, something over nothing infinite, anything over infinity NaN."""
    if not math.isfinite(scale):
        return math.nan
    if value == 0 or math.isnan(value):
        return value
    return value / scale if scale else math.inf
