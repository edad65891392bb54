"""Pass or fail of one station by its floor, and who is wrong when the floor itself cannot be believed.

`numerics.md`, "Pass": the noise ratio and every channel, token and row ratio within its limit; an exact station bit
for bit; and the source, judged by the same rule, between a tenth and the limit, or nothing is said about anyone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from parity.measure.floor import Floor
from parity.measure.limits import LEAST_SOURCE, Groups, Limits
from parity.measure.noise import Place, Ratios

Status: TypeAlias = Literal["pass", "fail", "unjudged", "report"]
Group: TypeAlias = Literal["whole", "channel", "token", "row"]
Culprit: TypeAlias = Literal["source", "oracle", "floor", "unknown"]

ALIKE: Final = 3.0
"""Two noise ratios that differ by no more than this tell of the same arithmetic."""


@dataclass(frozen=True)
class Finding:
    """One kind of group: its worst ratio beside its limit (None: reported only), and where that is."""

    group: Group
    ratio: float
    limit: float | None
    place: Place | int | None = None
    """A token or row; the number of a channel."""

    @property
    def holds(self) -> bool:
        """Within the limit, or without one; never for NaN."""
        return self.limit is None or self.ratio <= self.limit


@dataclass(frozen=True)
class Judgement:
    """What is decided about one station of one candidate."""

    status: Status
    message: str
    findings: tuple[Finding, ...]
    """One per kind of group that was looked at, the whole first; none at an exact station."""
    source: float | None
    """The source's own noise ratio."""
    culprit: Culprit | None
    """Who disagrees with the other two, where the station is unjudged."""
    reported: tuple[Place, ...]
    """Degenerate rows, which nobody can be blamed for."""

    @property
    def excess(self) -> float:
        """The worst ratio in units of its limit."""
        return max((found.ratio / found.limit for found in self.findings if found.limit), default=math.nan)


def judge(
    floor: Floor,
    candidate: Ratios,
    groups: Groups,
    *,
    source: Ratios | None = None,
    between: Ratios | None = None,
) -> Judgement:
    """Decide about one station.

    Args:
        floor: pooled over the run.
        candidate: errors against the oracle (accumulated), or against the oracle's step on its own inputs (own).
        groups: of the run.
        source: the source's errors against the oracle, by which floor, oracle and source are on trial.
        between: errors of the candidate against the source, to tell who of them is wrong.
    """
    if not floor.positions or candidate.positions != floor.positions:
        message = f"{candidate.positions} of {floor.positions} positions were compared"
        status: Status = "report" if candidate.reported and not floor.positions else "fail"
        return Judgement(status, message, (), None, None, candidate.reported)
    if not math.isfinite(floor.rms):
        return Judgement("unjudged", "the floor is not finite", (), None, "floor", candidate.reported)
    if floor.rms == 0:
        return _exact(candidate, source)
    limits = Limits.of(groups, floor)
    findings = findings_of(candidate, limits)
    trust = None if source is None else source.whole
    if source is not None and not LEAST_SOURCE <= source.whole <= limits.whole:
        culprit = _culprit(candidate.whole, source.whole, between.whole if between else None, limits.whole)
        message = f"the source lies {source.whole:.3g} floors from the oracle, expected {LEAST_SOURCE} to "
        message += f"{limits.whole:.3g}: {_BLAME[culprit]}"
        return Judgement("unjudged", message, findings, trust, culprit, candidate.reported)
    broken = [found for found in findings if not found.holds]
    told = broken[:1] or findings[:1]
    message = "; ".join(_tell(found) for found in told)
    if len(broken) > 1:
        message += f"; also by {', '.join(found.group for found in broken[1:])}"
    return Judgement("fail" if broken else "pass", message, findings, trust, None, candidate.reported)


def findings_of(ratios: Ratios, limits: Limits) -> tuple[Finding, ...]:
    """The worst of every kind of group beside its limit, the whole first."""
    found = [Finding("whole", ratios.whole, limits.whole)]
    if ratios.channel_at >= 0:
        found.append(Finding("channel", ratios.channel, limits.channel, ratios.channel_at))
    if ratios.token is not None:
        found.append(Finding("token", ratios.token.ratio, limits.token, ratios.token))
    if ratios.rows:
        bounds = limits.rows(np.array([row.positions for row in ratios.rows], np.float64))
        worst = int(np.argmax(np.array([row.ratio for row in ratios.rows]) / bounds))
        found.append(Finding("row", ratios.rows[worst].ratio, float(bounds[worst]), ratios.rows[worst]))
    return tuple(found)


def _exact(candidate: Ratios, source: Ratios | None) -> Judgement:
    if source is not None and source.unequal:
        message = f"no rounding happens here, yet {source.unequal} values of the source are not the oracle's"
        culprit: Culprit = "unknown" if candidate.unequal else "source"
        return Judgement("unjudged", message, (), None, culprit, candidate.reported)
    if candidate.unequal:
        message = f"no rounding happens here: {candidate.unequal} values are not bit-equal to the oracle"
        return Judgement("fail", message, (), None, None, candidate.reported)
    return Judgement("pass", "exact, and bit-equal to the oracle", (), None, None, candidate.reported)


_BLAME: Final[dict[Culprit, str]] = {
    "source": "the source disagrees with oracle and candidate",
    "oracle": "the oracle disagrees with source and candidate, which agree",
    "floor": "the floor disagrees with what source and candidate show rounding to be",
    "unknown": "source, oracle or floor is wrong, and nothing here tells which",
}


def _culprit(candidate: float, source: float, between: float | None, limit: float) -> Culprit:
    """Who is the odd one out. Noise ratios: both against the oracle, and between the two."""
    if source < LEAST_SOURCE:
        return "floor" if source > 0 else "source"
    if candidate <= limit:
        return "source"
    if between is not None and between <= math.sqrt(2) * limit:
        return "oracle"
    alike = 1 / ALIKE <= candidate / source <= ALIKE
    # Errors of one size that have nothing in common: both round more than the floor says.
    return "floor" if alike and between is not None and between >= max(candidate, source) / ALIKE else "unknown"


def _tell(found: Finding) -> str:
    what = {"whole": "the whole", "channel": f"channel {found.place}"}.get(found.group, "")
    if isinstance(found.place, Place):
        what = f"{found.group} {list(found.place.index)} of {found.place.batch}"
    bound = "reported" if found.limit is None else f"limit {found.limit:.3g}"
    return f"{what} lies {found.ratio:.3g} rounding floors from the oracle, {bound}"
