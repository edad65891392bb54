"""Pass or fail of one tap: the first-slice rule of `numerics.md`, and bounds that a user names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from parity.errors import ParityError
from parity.measure.metrics import is_exact
from parity.measure.sums import AGAINST_ORACLE, Sums
from parity.measure.tap import TapMeasure

Status = Literal["pass", "fail", "report", "skip"]

LIMIT: Final = 3.0
"""Largest plain ratio of a float32 run."""
LEAST: Final = 64
"""Fewest values a ratio is judged on."""
JUDGED: Final = frozenset({"float32", "float64"})
"""Claimed precisions that are judged; the others are reported."""

_AT_MOST = ("rms", "std", "max", "rel_rms", "ulp_p999")
BOUNDS: Final[Mapping[str, int]] = {
    **{name + suffix: 1 for name in _AT_MOST for suffix in ("", "_oracle")},
    **{"digits" + suffix: -1 for suffix in ("", "_oracle")},
    "ratio": 1,
    "channel_ratio_max": 1,
}
"""Metrics a bound may name: 1 is an upper bound, -1 a lower one. A signed mean or a median would let faults pass."""


@dataclass(frozen=True)
class Verdict:
    """What is decided about one tap, and the number it was decided by."""

    status: Status
    value: float | None
    limit: float | None
    message: str


def judge(tap: TapMeasure) -> Verdict:
    """The first-slice rule: completeness, finite values, shape and dtype always; the ratio where it can be judged."""
    sums = tap.sums
    if tap.problems:
        more = f" (and {len(tap.problems) - 1} more)" if len(tap.problems) > 1 else ""
        return Verdict("fail", None, None, tap.problems[0] + more)
    if sums is None:
        return Verdict("skip", None, None, tap.skips[0]) if tap.skips else _fail("no comparison was made")
    broken = [f"{count} in the {party}" for party, count in sums.nonfinite.items() if count]
    if broken:
        return _fail(f"values that are NaN or infinite: {', '.join(broken)}")
    ratio = tap.metrics.get("ratio")
    if ratio is None:
        return Verdict("report", None, None, "complete and finite; without source and oracle no ratio to judge")
    if tap.precision not in JUDGED:
        return Verdict("report", ratio, None, f"claims {tap.precision}: ratio reported, not judged")
    if is_exact(sums):
        return _exact(sums)
    if sums.count < LEAST:
        return Verdict("report", ratio, None, f"{sums.count} values, fewer than {LEAST}: ratio reported, not judged")
    if not (ratio <= LIMIT):
        return Verdict("fail", ratio, LIMIT, f"deviates {ratio:.3g} times as much from the oracle as the source does")
    return Verdict("pass", ratio, LIMIT, f"ratio {ratio:.3g} on {sums.count} values")


def judge_bounds(metrics: Mapping[str, float], bounds: Mapping[str, float]) -> Verdict | None:
    """The bound that is violated, else the first; None if no bound is given.

    Raises:
        ParityError: a bound names no metric that may be bound, or one that was not computed.
    """
    verdicts = [_bound(metrics, name, limit) for name, limit in bounds.items()]
    return next((verdict for verdict in verdicts if verdict.status == "fail"), verdicts[0] if verdicts else None)


def check_bounds(bounds: Mapping[str, float]) -> None:
    """Refuse bounds that mean nothing.

    Raises:
        ParityError: not a metric that may be bound, or not a number.
    """
    for name, limit in bounds.items():
        if name not in BOUNDS:
            raise ParityError("not a metric that can be bound", got=name, expected=f"one of {', '.join(BOUNDS)}")
        if math.isnan(limit):
            raise ParityError(f"the bound of {name} is not a number", remedy="give METRIC=NUMBER")


def _bound(metrics: Mapping[str, float], name: str, limit: float) -> Verdict:
    value = metrics.get(name)
    if value is None:
        return Verdict("fail", None, limit, f"{name} has a bound but could not be computed here")
    sign = BOUNDS[name]
    relation = "at most" if sign > 0 else "at least"
    if not (sign * value <= sign * limit):
        return Verdict("fail", value, limit, f"{name} is {value:.3g}, expected {relation} {limit:.3g}")
    return Verdict("pass", value, limit, f"{name} {value:.3g}, {relation} {limit:.3g}")


def _exact(sums: Sums) -> Verdict:
    different = sums.count - sums.deviations[AGAINST_ORACLE].same
    if different:
        return Verdict("fail", different, 0, f"the source is exact here, {different} values are not bit-equal to it")
    return Verdict("pass", 0, 0, f"bit-equal to the exact source on {sums.count} values")


def _fail(message: str) -> Verdict:
    return Verdict("fail", None, None, message)
