from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import write_run

from parity.events import EventLog, read_events
from parity.report import write_reports
from parity.report.coverage import COLUMNS, coverages

INPUTS = (
    ("vocabulary", "ids", "touched", 485),
    ("vocabulary", "rows", "count", 1200),
    ("vocabulary", "rows", "share touched", 0.404),
    ("positions", "rows", "touched", 64),
    ("positions", "rows", "count", 64),
    ("masks", "holes", "rows", 8),
)


def weight(name: str, share: float, *, weights: int = 100, zeros: int = 0) -> list[tuple[str, str, str, float]]:
    numbers = {"weights": weights, "zeros": zeros, "untouched": 0, "median bit": 17, "bit 14": share}
    return [("weights", name, measure, value) for measure, value in numbers.items()]


def tell(folder: Path, counts: list[Any], **more: Any) -> None:
    left = [{"what": "rows <b>never</b> named", "count": 715, "why": "no token"}]
    given = {"model": "rubert", "unseen": left, "problem": None} | more
    with EventLog(folder) as log:
        rows = [dict(zip(("subject", "name", "measure", "value"), count, strict=True)) for count in counts]
        log.write("coverage", counts=rows, **given)


def test_the_headline_counts_each_variable_once_where_it_is_seen_best(tmp_path: Path) -> None:
    table = [*weight("table at embeddings", 0.4, weights=300), *weight("table at logits.mlm", 1.0, weights=300)]
    tell(tmp_path, [*INPUTS, *table, *weight("bias at layer.0", 0.0, weights=200, zeros=100)])
    (covered,) = coverages(read_events(tmp_path))
    assert covered.headline == (
        "rubert's inputs touch 485 of 1\u202f200 rows of the vocabulary; 64 of 64 positions; a change of the 14th bit "
        "would have been seen in 75.0 % of the weights. The proof alone covers 715 rows <b>never</b> named"
    )
    assert [(one.variable, one.stage) for one in covered.weights][1] == ("table", "logits.mlm")
    assert list(covered.subjects) == ["vocabulary", "positions", "masks"]


def test_processes_that_tell_the_same_model_make_one_section(tmp_path: Path) -> None:
    tell(tmp_path, list(INPUTS))
    tell(tmp_path, [*INPUTS, *weight("w at layer.0", 1.0)])
    tell(tmp_path, list(INPUTS), model="danish-bert")
    found = coverages(read_events(tmp_path))
    assert [covered.model for covered in found] == ["rubert", "danish-bert"]
    assert found[0].weights
    assert not found[1].weights


def test_what_went_wrong_is_said(tmp_path: Path) -> None:
    tell(tmp_path, list(INPUTS), problem="no memory")
    assert "which weights could be seen is not known: no memory" in coverages(read_events(tmp_path))[0].headline


@pytest.mark.parametrize("told", [True, False])
def test_reports_and_table(told: bool, tmp_path: Path) -> None:
    write_run(tmp_path, layers=2)
    if told:
        tell(tmp_path, [*INPUTS, *weight("w at layer.0", 0.987)])
    reports = write_reports(tmp_path)
    page, summary = (path.read_text(encoding="utf-8") for path in (reports.html, reports.markdown))
    assert ("What was looked at: rubert" in page) == told
    assert ("98.7 %" in page) == told
    assert "<b>never" not in page
    assert "<b>never" not in summary
    assert ("485 of 1" in summary) == told
    rows = list(csv.DictReader(reports.coverage.open(encoding="utf-8")))
    assert reports.coverage.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert len(rows) == (len(INPUTS) + 5 + 1 if told else 0)
    assert not told or rows[-1]["subject"] == "proof alone"
