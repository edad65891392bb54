"""The tables a program reads: deviations.csv (tidy) and summary.csv."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from parity.events import Events
from parity.report.view import View

GROUPS = ("noise_ratio", "channel_noise", "token_noise", "row_noise")
METRICS = (
    *("count", "std", "rms", "mean", "max", "rel_rms", "digits", "ulp_p50", "ulp_p999"),
    *("std_oracle", "rms_oracle", "mean_oracle", "max_oracle", "rel_rms_oracle", "digits_oracle"),
    *("ulp_p50_oracle", "ulp_p999_oracle", "source_rms_oracle", "nan", "floor_rms", "own_rms", "source_ratio"),
    *(f"{own}{group}{limit}" for own in ("", "own_") for group in GROUPS for limit in ("", "_limit")),
)
WORST = ("batch", "row", "position", "token", "channel", "candidate", "source", "oracle")
DEVIATIONS = ("model", "backend", "precision", "batch", "tap", "metric", "value")
SUMMARY = (
    *("model", "backend", "precision", "question", "tap", "status", "ratio", "limit", "message"),
    *METRICS,
    *(f"worst_{field}" for field in WORST),
)


def write_deviations(path: Path, events: Events) -> None:
    """One row per model, backend, precision, batch (`*`: all together), tap and metric; numbers round-trip."""
    fields = DEVIATIONS[:5]
    write_csv(
        path,
        DEVIATIONS,
        (
            [*(row[field] for field in fields), metric, value]
            for row in events.of("deviation")
            for metric, value in row["metrics"].items()
        ),
    )


def write_summary(path: Path, view: View) -> None:
    """One row per model, backend, precision and tap; checks that are not about a tap have an empty one."""
    write_csv(path, SUMMARY, _summary(view))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table, whole or not at all."""
    with whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """A text file that appears whole or not at all. Half a surrogate is written as an escape."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _summary(view: View) -> Iterator[list[object]]:
    for row in view.checks:
        who = (row["model"], row["backend"], row["precision"], row["question"], row["tap"], row["status"])
        places = [(row["worst"] or {}).get(field) for field in WORST]
        yield [*who, row["value"], row["limit"], row["message"], *(None for _ in METRICS), *places]
    for cell in view.cells():
        if cell.status == "outside":
            continue
        who = (*cell.column, cell.question, cell.tap, cell.status)
        metrics = [cell.metrics.get(metric) for metric in METRICS]
        places = [(cell.worst or {}).get(field) for field in WORST]
        yield [*who, cell.ratio, cell.limit, cell.message, *metrics, *places]
