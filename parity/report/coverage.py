"""What a run looked at, for people and programs: from the events `coverage`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from parity.events import Events, Row
from parity.report.tables import write_csv
from parity.report.text import count

COLUMNS = ("model", "subject", "name", "measure", "value")
BIT = 14
"""The bit that headlines speak of."""
_WEIGHTS = "weights"


@dataclass(frozen=True)
class Weight:
    """One variable at one stage: numbers by measure."""

    variable: str
    stage: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Coverage:
    """What one model's runtimes were looked at with."""

    row: Row

    @property
    def model(self) -> str:
        """Its name."""
        return str(self.row["model"])

    @property
    def unseen(self) -> list[Mapping[str, Any]]:
        """What only the proof covers: `what`, `count`, `why`."""
        return list(self.row["unseen"])

    @property
    def problem(self) -> str | None:
        """Why the weights' part is missing, if something went wrong."""
        problem: str | None = self.row["problem"]
        return problem

    @cached_property
    def subjects(self) -> dict[str, list[Row]]:
        """The counts of the inputs by what they are about, in order."""
        found: dict[str, list[Row]] = {}
        for one in self.row["counts"]:
            if one["subject"] != _WEIGHTS:
                found.setdefault(one["subject"], []).append(one)
        return found

    @cached_property
    def weights(self) -> list[Weight]:
        """The variables in the order of the graph."""
        found: dict[str, dict[str, float]] = {}
        for one in self.row["counts"]:
            if one["subject"] == _WEIGHTS:
                found.setdefault(one["name"], {})[one["measure"]] = one["value"]
        return [Weight(*name.rpartition(" at ")[::2], numbers) for name, numbers in found.items()]

    @property
    def measures(self) -> list[str]:
        """The columns of the weights' table."""
        return list(self.weights[0].numbers) if self.weights else []

    @property
    def headline(self) -> str:
        """In a sentence."""
        said = [f"{self.model}'s inputs touch {self._rows('vocabulary', 'ids', 'rows')} rows of the vocabulary"]
        said.append(f"{self._rows('positions', 'rows', 'rows')} positions")
        if self.weights:
            said.append(
                f"a change of the {BIT}th bit would have been seen in {100 * self._share():.1f} % of the weights"
            )
        if self.problem:
            said.append(f"which weights could be seen is not known: {self.problem}")
        totals: Counter[str] = Counter()
        for one in self.unseen:
            totals[one["what"]] += one["count"]
        left = ", ".join(f"{count(number)} {what}" for what, number in totals.items())
        return "; ".join(said) + (f". The proof alone covers {left}" if left else "")

    def _rows(self, subject: str, touched: str, of: str) -> str:
        numbers = {(one["name"], one["measure"]): one["value"] for one in self.subjects.get(subject, ())}
        return f"{count(numbers.get((touched, 'touched')))} of {count(numbers.get((of, 'count')))}"

    def _share(self) -> float:
        """Of all weights that are not 0; one that is used twice counts where it is seen best."""
        best: dict[str, tuple[float, float]] = {}
        for one in self.weights:
            size = one.numbers["weights"] - one.numbers["zeros"]
            best[one.variable] = max(best.get(one.variable, (0.0, 0.0)), (one.numbers[f"bit {BIT}"], size))
        total = sum(size for _, size in best.values())
        return sum(share * size for share, size in best.values()) / total if total else 0.0


def coverages(events: Events) -> list[Coverage]:
    """One per model, in order; processes of a run tell the same, and the fullest is kept."""
    found: dict[str, Row] = {}
    for row in events.of("coverage"):
        kept = found.get(row["model"])
        if kept is None or len(row["counts"]) > len(kept["counts"]):
            found[row["model"]] = row
    return [Coverage(row) for row in found.values()]


def write_coverage(path: Path, events: Events) -> None:
    """coverage.csv: one row per model, subject, name and measure; what only the proof covers with its reason."""
    write_csv(path, COLUMNS, _rows(events))


def _rows(events: Events) -> Iterator[list[object]]:
    for one in coverages(events):
        for number in one.row["counts"]:
            yield [one.model, *(number[column] for column in COLUMNS[1:])]
        for left in one.unseen:
            yield [one.model, "proof alone", left["what"], left["why"], left["count"]]
