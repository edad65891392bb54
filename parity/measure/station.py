"""What was found out about one station of one candidate: absolute numbers, and both judgements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from parity.measure.judgement import Finding, Judgement
from parity.measure.tap import TapMeasure

Status: TypeAlias = Literal["pass", "fail", "unjudged", "skip", "report"]


@dataclass(frozen=True)
class Station:
    """One tap of one candidate."""

    tap: str
    measure: TapMeasure
    """Deviations in absolute numbers, and what could not be compared."""
    accumulated: Judgement | None
    """Of the error against the oracle; None where nothing could be judged."""
    own: Judgement | None
    """Of the error that this station added; None where the oracle's steps were not asked for."""

    own_rms: float | None = None
    """rms of that own error."""
    floor_rms: float | None = None
    """rms of what float32 rounding makes of this station."""

    @property
    def judgements(self) -> Mapping[str, Judgement]:
        """Those that were made."""
        both = {"accumulated": self.accumulated, "own": self.own}
        return {kind: judgement for kind, judgement in both.items() if judgement is not None}

    @property
    def trouble(self) -> str | None:
        """What forbids to compare at all: missing, wrong in shape or dtype, not finite; None if nothing."""
        problems = self.measure.problems
        if problems:
            return problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
        if self.measure.sums is None:
            return None if self.measure.skips else "no comparison was made"
        broken = [f"{count} in the {party}" for party, count in self.measure.sums.nonfinite.items() if count]
        return f"values that are NaN or infinite: {', '.join(broken)}" if broken else None

    @property
    def status(self) -> Status:
        """`unjudged`: source, oracle or floor is on trial itself, which is red too."""
        if self.trouble:
            return "fail"
        if self.measure.sums is None:
            return "skip"
        statuses = [judgement.status for judgement in self.judgements.values()]
        return next((status for status in _WEIGHTIEST if status in statuses), "report")

    @property
    def worst(self) -> Finding | None:
        """The finding that decides: the one furthest beyond its limit, the whole where all are within."""
        found = [finding for judgement in self.judgements.values() for finding in judgement.findings]
        broken = [finding for finding in found if not finding.holds]
        return max(broken, key=_excess) if broken else next(iter(found), None)

    @property
    def value(self) -> float | None:
        """The ratio that decides."""
        return self.worst.ratio if self.worst else None

    @property
    def limit(self) -> float | None:
        """Its limit."""
        return self.worst.limit if self.worst else None

    @property
    def guilty(self) -> bool:
        """Does this station add more than rounding of its own?"""
        return self.own is not None and self.own.status == "fail"

    @property
    def inherited(self) -> bool:
        """Is it wrong only because what it was fed is?"""
        return self.status == "fail" and not self.trouble and self.own is not None and self.own.status == "pass"

    @property
    def message(self) -> str:
        """In words."""
        if self.trouble:
            return self.trouble
        if self.status == "skip":
            return self.measure.skips[0]
        if not self.judgements:
            return f"claims {self.measure.precision}: measured, not judged by float32's rounding"
        told = [f"{kind}: {judgement.message}" for kind, judgement in self.judgements.items()]
        return f"{'; '.join(told)}{_headline(self.measure.metrics)}"

    @property
    def numbers(self) -> dict[str, float]:
        """The ratios under the names of a deviation row: `noise_ratio`, `own_channel`, ..."""
        found: dict[str, float] = {}
        for kind, judgement in self.judgements.items():
            prefix = "own_" if kind == "own" else ""
            for finding in judgement.findings:
                found[prefix + _NAMES[finding.group]] = finding.ratio
                if finding.limit is not None:
                    found[f"{prefix}{_NAMES[finding.group]}_limit"] = finding.limit
        if self.accumulated is not None and self.accumulated.source is not None:
            found["source_ratio"] = self.accumulated.source
        if self.own_rms is not None:
            found["own_rms"] = self.own_rms
        if self.floor_rms is not None:
            found["floor_rms"] = self.floor_rms
        return found


def guilty(stations: Iterable[Station]) -> tuple[str, ...]:
    """The stations that add more than rounding of their own, in the order given."""
    return tuple(station.tap for station in stations if station.guilty)


_WEIGHTIEST: tuple[Status, ...] = ("unjudged", "fail", "pass", "report")
_NAMES = {"whole": "noise_ratio", "channel": "channel_noise", "token": "token_noise", "row": "row_noise"}


def _excess(finding: Finding) -> float:
    excess = finding.ratio / finding.limit if finding.limit else 0.0
    return excess if excess == excess else float("inf")


def _headline(metrics: Mapping[str, float]) -> str:
    times = metrics.get("ratio")
    return f"; {times:.3g} times the original's error" if times is not None else ""
