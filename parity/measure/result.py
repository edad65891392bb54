"""What a comparison of traces answers: rows for people, JSON for programs, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.measure.tap import BatchDeviation, Worst
from parity.measure.verdict import Verdict

HEADER = ("candidate", "tap", "status", "value", "limit", "rms", "max", "ratio", "values", "message")


@dataclass(frozen=True)
class TapResult:
    """One tap of one candidate: its verdict, pooled metrics, and a row per batch."""

    tap: str
    verdict: Verdict
    metrics: Mapping[str, float]
    batches: tuple[BatchDeviation, ...]
    worst: Worst | None
    skips: tuple[str, ...]


@dataclass(frozen=True)
class CandidateResult:
    """One candidate trace. Every comparison the base asks for is done, skipped with a reason, or failed."""

    name: str
    label: str
    """Backend and variant, as the trace says."""
    precision: str
    taps: tuple[TapResult, ...]
    problems: tuple[str, ...]
    """What is wrong apart from single taps: surplus and missing batches, other inputs, nothing compared."""
    skips: tuple[str, ...]
    expected: int
    """Comparisons, one per tap and batch of the base."""
    done: int
    skipped: int

    @property
    def holds(self) -> bool:
        """Was anything compared, and is nothing wrong?"""
        return self.done > 0 and not self.problems and all(tap.verdict.status != "fail" for tap in self.taps)


@dataclass(frozen=True)
class Comparison:
    """All candidates against one base."""

    base: str
    oracle: str | None
    candidates: tuple[CandidateResult, ...]

    @property
    def holds(self) -> bool:
        """Does parity hold for every candidate? Never without a candidate."""
        return bool(self.candidates) and all(candidate.holds for candidate in self.candidates)

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of a table under `HEADER`: problems first, then a row per candidate and tap."""
        rows: list[tuple[str, ...]] = []
        for candidate in self.candidates:
            rows += [(candidate.name, "", "fail", *[""] * 6, problem) for problem in candidate.problems]
            rows += [(candidate.name, *_cells(tap)) for tap in candidate.taps]
        return rows

    def as_dict(self) -> dict[str, Any]:
        """JSON of everything; numbers that JSON cannot hold become the strings NaN, Infinity, -Infinity."""
        return {
            "holds": self.holds,
            "base": self.base,
            "oracle": self.oracle,
            "candidates": [_candidate(candidate) for candidate in self.candidates],
        }


def _cells(tap: TapResult) -> tuple[str, ...]:
    verdict, metrics = tap.verdict, tap.metrics
    numbers = [verdict.value, verdict.limit, *(metrics.get(name) for name in ("rms", "max", "ratio"))]
    shown = ["" if number is None else f"{number:.3g}" for number in numbers]
    return (tap.tap, verdict.status, *shown, str(int(metrics.get("count", 0))), verdict.message)


def _candidate(result: CandidateResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "label": result.label,
        "precision": result.precision,
        "holds": result.holds,
        "expected": result.expected,
        "done": result.done,
        "skipped": result.skipped,
        "problems": list(result.problems),
        "skips": list(result.skips),
        "taps": [_tap(tap) for tap in result.taps],
    }


def _tap(tap: TapResult) -> dict[str, Any]:
    verdict = tap.verdict
    return {
        "tap": tap.tap,
        "status": verdict.status,
        "value": _plain(verdict.value),
        "limit": _plain(verdict.limit),
        "message": verdict.message,
        "metrics": {name: _plain(value) for name, value in tap.metrics.items()},
        "batches": {row.batch: {name: _plain(value) for name, value in row.metrics.items()} for row in tap.batches},
        "worst": {name: _plain(value) for name, value in tap.worst.as_dict().items()} if tap.worst else None,
        "skips": list(tap.skips),
    }


def _plain(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
