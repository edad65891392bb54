"""One model's part of a report: taps by runtimes, each pair a cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from parity.report.text import number, ratio

LEVELS = 5


class Column(NamedTuple):
    """One runtime of one model."""

    model: str
    backend: str
    precision: str


@dataclass(frozen=True)
class Cell:
    """One tap of one runtime.

    `status` is a verdict's, or `missing` (planned, but neither verdict nor reason), or `outside` (not planned).
    """

    column: Column
    tap: str
    question: str | None
    status: str
    ratio: float | None
    limit: float | None
    message: str
    metrics: Mapping[str, Any]
    worst: Mapping[str, Any] | None
    skip: int | None
    """Which entry of the list of skips gives the reason, from 1."""

    @property
    def own(self) -> float | None:
        """How far this station's own error lies above its own rounding floor."""
        return number(self.metrics.get("own_noise_ratio"))

    @property
    def guilty(self) -> bool:
        """Does the station itself go beyond a limit of its own error, in any group?"""
        own = {name: number(value) for name, value in self.metrics.items() if name.startswith("own_")}
        limits = {name.removesuffix("_limit"): value for name, value in own.items() if name.endswith("_limit")}
        judged = ((own.get(name), limit) for name, limit in limits.items())
        return any(value is None or not (value <= limit) for value, limit in judged if limit is not None)

    @property
    def own_level(self) -> int:
        """As `level`, of the own error."""
        return _level(self.own, number(self.metrics.get("own_noise_ratio_limit")))

    @property
    def level(self) -> int:
        """How near a sound ratio is to its limit, in LEVELS equal steps of its logarithm from 0.5 on."""
        return _level(self.ratio, self.limit)

    @property
    def shown(self) -> str:
        """What the cell says in print."""
        if self.status in ("skip", "missing", "outside"):
            return "" if self.status == "outside" else self.status
        return self.status if self.ratio is None else ratio(self.ratio)


@dataclass(frozen=True)
class Skip:
    """One reason, and all that was left out for it at one runtime. `places` is empty where that is everything."""

    column: Column
    reason: str
    remedy: str | None
    places: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Check:
    """How one question beside the layers was answered for one runtime."""

    status: str
    failed: int
    total: int
    message: str


@dataclass(frozen=True)
class Grid:
    """One model: its taps in graph order, its runtimes, and a cell for each pair; above them, the other questions."""

    model: str
    taps: tuple[str, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[Column, str], Cell]
    questions: tuple[str, ...]
    checks: Mapping[tuple[Column, str], Check]
    left_out: Mapping[Column, int]
    """Runtimes that were left out altogether, with their entry in the list of skips, from 1."""

    @property
    def has_own(self) -> bool:
        """Was anybody's own error judged?"""
        return any(cell.own is not None for cell in self.cells.values())

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions claimed, without repetition."""
        return tuple(dict.fromkeys(column.precision for column in self.columns))

    def column(self, column: Column) -> list[Cell]:
        """A runtime's cells, in graph order."""
        return [self.cells[column, tap] for tap in self.taps]

    def worst(self, column: Column) -> Cell | None:
        """A runtime's cell with the largest ratio, no number being larger than any."""
        rated = [cell for cell in self.column(column) if cell.ratio is not None]
        return max(rated, key=lambda cell: rank(cell.ratio), default=None)


def _level(value: float | None, limit: float | None) -> int:
    if value is None or not math.isfinite(value) or value <= 0.5:
        return 0
    share = math.log(value / 0.5) / math.log(max(limit or 3.0, 1.0) / 0.5)
    return min(LEVELS - 1, int(share * LEVELS))


def rank(value: float | None) -> float:
    """A key to find the worst by: no number is worse than any number, nothing is better than any."""
    return -1.0 if value is None else math.inf if math.isnan(value) else value
