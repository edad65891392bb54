"""Events gathered into what reports show: per model, a grid of taps by runtimes, and the checks beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from parity.events import Events, Row
from parity.report.grid import Cell, Check, Column, Grid, Skip, rank
from parity.report.judgement import Judgement, judge, verdicts
from parity.report.text import number

GRID_QUESTIONS = ("hidden_states", "heads")
POOLED = "*"


@dataclass(frozen=True)
class Failure:
    """A runtime that fails somewhere: how often, and where first along the graph."""

    column: Column
    failed: int
    judged: int
    first: Row


@dataclass(frozen=True)
class View:
    """A run as its reports show it."""

    events: Events

    @cached_property
    def judgement(self) -> Judgement:
        """The verdict."""
        return judge(self.events)

    @cached_property
    def run(self) -> Row:
        """The run's own facts; empty where the run wrote none."""
        told = self.events.of("run")
        if not told:
            return {}
        # A run tells of each model when it is first needed, and so does each of its processes.
        merged: dict[str, list[Any]] = {key: [] for key in ("models", "inputs")}
        for row in told:
            for key, seen in merged.items():
                seen += [entry for entry in row[key] if entry not in seen]
        return {**told[0], **merged}

    @cached_property
    def verdicts(self) -> list[Row]:
        """One verdict per question."""
        return verdicts(self.events)

    @cached_property
    def columns(self) -> list[Column]:
        """All runtimes of all models, in the order they appear."""
        kinds = ("plan", "deviation", "verdict", "skip", "crash")
        return list(dict.fromkeys(column_of(row) for row in self.events.rows if row["event"] in kinds))

    @cached_property
    def models(self) -> list[str]:
        """All models, in the order they appear."""
        named = [str(model["model"]) for model in self.run.get("models", ())]
        return list(dict.fromkeys([*named, *(column.model for column in self.columns)]))

    @cached_property
    def skips(self) -> list[Skip]:
        """What was left out, one entry per runtime and reason."""
        groups: dict[tuple[Column, str, str | None], list[Row]] = {}
        for row in self.events.of("skip"):
            groups.setdefault((column_of(row), row["reason"], row["remedy"]), []).append(row)
        return [
            Skip(
                *key,
                places=()
                if any(_everything(row) for row in rows)
                else tuple(dict.fromkeys(_place(row) for row in rows)),
                count=sum(row["count"] for row in rows),
            )
            for key, rows in groups.items()
        ]

    @cached_property
    def grids(self) -> list[Grid]:
        """One grid per model."""
        return [self._grid(model) for model in self.models]

    @cached_property
    def checks(self) -> list[Row]:
        """Verdicts that are no cell of a grid: proof, tokenization, reloaded artifacts, ..."""
        return [row for row in self.verdicts if not in_grid(row)]

    @cached_property
    def elsewhere(self) -> list[Row]:
        """Those of the checks that are about something that has no column in a grid (an artifact, say)."""
        shown = {column for grid in self.grids for column in grid.columns}
        return [row for row in self.checks if column_of(row) not in shown]

    @cached_property
    def failures(self) -> list[Failure]:
        """What fails, by runtime."""
        found = []
        for column in self.columns:
            rows = [row for row in self.verdicts if column_of(row) == column and row["status"] in ("pass", "fail")]
            failed = [row for row in rows if row["status"] == "fail"]
            if failed:
                found.append(Failure(column, len(failed), len(rows), min(failed, key=self._station)))
        return found

    @cached_property
    def worst(self) -> list[Row]:
        """Per runtime, the verdict furthest up towards or beyond its limit that names a place."""
        return [
            max((row for row in self.verdicts if column_of(row) == column and row["worst"]), key=_strain)
            for column in self.columns
            if any(row["worst"] for row in self.verdicts if column_of(row) == column)
        ]

    @cached_property
    def pooled(self) -> Mapping[tuple[Column, str], Mapping[str, Any]]:
        """The metrics over all batches, by runtime and tap."""
        rows = self.events.of("deviation")
        return {(column_of(row), row["tap"]): row["metrics"] for row in rows if row["batch"] == POOLED}

    def _station(self, row: Row) -> int:
        taps = next(grid.taps for grid in self.grids if grid.model == row["model"])
        return taps.index(row["tap"]) if row["tap"] in taps else -1  # proof and tokens come before any layer

    def _grid(self, model: str) -> Grid:
        judged = {(column_of(row), row["tap"]): row for row in self.verdicts if in_grid(row)}
        planned = {(column_of(row), tap): None for row in self.events.of("plan") for tap in row["taps"]}
        places = [place for place in (*planned, *judged, *self.pooled) if place[0].model == model]
        taps, running = tuple(sorted(dict.fromkeys(tap for _, tap in places), key=_depth)), {c for c, _ in places}
        columns = tuple(column for column in self.columns if column in running)
        cells = {
            (column, tap): self._cell(column, tap, judged.get((column, tap)), planned=(column, tap) in planned)
            for column in columns
            for tap in taps
        }
        answers: dict[tuple[Column, str], list[Row]] = {}
        for row in self.checks:
            if column_of(row) in running:
                answers.setdefault((column_of(row), row["question"]), []).append(row)
        questions = tuple(dict.fromkeys(question for _, question in answers))
        checks = {place: _check(rows) for place, rows in answers.items()}
        left_out = {column: skip for (column, tap), skip in self._reasons.items() if tap is None}
        return Grid(model, taps, columns, cells, questions, checks, left_out)

    def _cell(self, column: Column, tap: str, row: Row | None, *, planned: bool) -> Cell:
        metrics = self.pooled.get((column, tap), {})
        skip = self._reasons.get((column, tap)) or self._reasons.get((column, None))
        unjudged = "skip" if skip else "missing" if planned else "report" if metrics else "outside"
        value = number(row["value"]) if row else None
        return Cell(
            column=column,
            tap=tap,
            question=row["question"] if row else None,
            status=row["status"] if row else unjudged,
            ratio=value if value is not None else number(metrics.get("ratio")),
            limit=number(row["limit"]) if row else None,
            message=(row["message"] or "") if row else self.skips[skip - 1].reason if skip else "",
            metrics=metrics,
            worst=row["worst"] if row else None,
            skip=skip if (row["status"] if row else unjudged) == "skip" else None,
        )

    @cached_property
    def _reasons(self) -> dict[tuple[Column, str | None], int]:
        """(runtime, tap or None for all) -> entry of `skips`, from 1. Left-out batches leave a comparison standing."""
        numbers = {(skip.column, skip.reason, skip.remedy): index for index, skip in enumerate(self.skips, start=1)}
        rows = [row for row in self.events.of("skip") if row["batch"] is None]
        return {(column_of(row), row["tap"]): numbers[column_of(row), row["reason"], row["remedy"]] for row in rows}

    def cells(self) -> Iterator[Cell]:
        """All cells of all grids, runtime by runtime."""
        for grid in self.grids:
            for column in grid.columns:
                yield from grid.column(column)


def column_of(row: Row) -> Column:
    """The runtime that an event is about."""
    return Column(row["model"], row["backend"], row["precision"])


def in_grid(row: Row) -> bool:
    """Whether a verdict is a cell of its model's grid."""
    return row["tap"] is not None and row["question"] in GRID_QUESTIONS


def _depth(tap: str) -> float:
    """Where a tap lies along the graph; heads, in whatever order they were planned, after all layers."""
    layer = re.match(r"layer\.(\d+)", tap)
    return int(layer[1]) if layer else -1 if tap == "embeddings" else math.inf


def _check(rows: Sequence[Row]) -> Check:
    statuses = [row["status"] for row in rows]
    status = next((status for status in ("fail", "pass", "report", "skip") if status in statuses), "report")
    message = next((row["message"] for row in rows if row["status"] == status), None)
    return Check(status, statuses.count("fail"), len(rows), message or "")


def _everything(row: Row) -> bool:
    return row["tap"] is None and row["batch"] is None


def _place(row: Row) -> str:
    batch = f"batch {row['batch']}" if row["batch"] is not None else ""
    return ", ".join(part for part in (row["tap"], batch) if part)


def _strain(row: Row) -> float:
    value, limit = number(row["value"]), number(row["limit"])
    return rank(value / limit if value is not None and limit else value)
