"""Events in, report files out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from parity.events import Events, Row, read_events
from parity.report import charts, page
from parity.report.coverage import write_coverage
from parity.report.ledger import ledger
from parity.report.tables import whole, write_deviations, write_summary
from parity.report.view import View


@dataclass(frozen=True)
class Reports:
    """The files a run leaves for people and programs."""

    deviations: Path
    summary: Path
    markdown: Path
    html: Path
    coverage: Path


def write_reports(run_dir: Path) -> Reports:
    """Write three CSV tables, summary.md and report.html beside the events they are derived from.

    Each file appears whole or not at all. Without vl-convert the page has tables only and says how to get the curves.

    Raises:
        ParityError: the folder holds no events.
    """
    began, processor = time.perf_counter(), time.process_time()
    view = View(read_events(run_dir))
    names = ("deviations.csv", "summary.csv", "summary.md", "report.html", "coverage.csv")
    reports = Reports(*(run_dir / name for name in names))
    write_deviations(reports.deviations, view.events)
    write_summary(reports.summary, view)
    write_coverage(reports.coverage, view.events)
    pictures = {grid.model: charts.curves(grid) for grid in view.grids} if charts.available() else {}
    times = _with_report(view.events, time.perf_counter() - began, time.process_time() - processor)
    spent = ledger(times, view.judgement.elapsed_s)
    for path, text in (
        (reports.markdown, page.markdown(view, spent)),
        (reports.html, page.html(view, spent, pictures)),
    ):
        with whole(path) as file:
            file.write(text)
    return reports


def _with_report(events: Events, wall_s: float, cpu_s: float) -> list[Row]:
    """The times of a run, and of this report so far: its own event can only follow it."""
    times = events.of("time")
    if any(row["stage"] == "report" for row in times):
        return times
    mine = {"stage": "report", "model": None, "backend": None, "wall_s": wall_s, "cpu_s": cpu_s, "peak_rss": None}
    return [*times, {**mine, "own": True}]
