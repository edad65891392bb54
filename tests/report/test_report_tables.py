"""The CSV files and JUnit properties: every number of every event, once, exactly."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from synthetic_run import MakeEvents

from parity.errors import ParityError
from parity.events import read_events
from parity.report import junit_properties, write_reports
from parity.report.tables import DEVIATIONS, SUMMARY, whole


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("no_curves")
def test_deviations_are_tidy_and_exact(make_events: MakeEvents) -> None:
    folder = make_events(layers=2)
    written = rows(write_reports(folder).deviations)
    wanted = [
        (*(row[field] for field in DEVIATIONS[:5]), metric, value)
        for row in read_events(folder).of("deviation")
        for metric, value in row["metrics"].items()
    ]
    assert tuple(written[0]) == DEVIATIONS
    assert [(*list(row.values())[:6], float(row["value"])) for row in written] == wanted
    assert len({tuple(row.values())[:6] for row in written}) == len(written)


@pytest.mark.usefixtures("no_curves")
def test_no_number_stays_no_number(make_events: MakeEvents) -> None:
    reports = write_reports(make_events(nan=["torch:eager"]))
    bad = [row for row in rows(reports.deviations) if row["backend"] == "torch:eager" and row["metric"] == "ratio"]
    assert any(math.isnan(float(row["value"])) for row in bad)


@pytest.mark.usefixtures("no_curves")
def test_the_summary_has_one_row_per_tap_and_runtime(make_events: MakeEvents) -> None:
    folder = make_events(broken={"onnxruntime": 9}, missing={"openvino:f32": "openvino is not installed"})
    written = rows(write_reports(folder).summary)
    assert tuple(written[0]) == SUMMARY
    taps = [row for row in written if row["tap"]]
    assert len(taps) == len({(row["backend"], row["tap"]) for row in taps}) == 8 * 16
    failed = {row["tap"] for row in taps if row["status"] == "fail"}
    assert failed == {"layer.9", "layer.10", "layer.11", "pooler", "logits.mlm", "logits.nsp"}
    (one,) = [row for row in taps if (row["backend"], row["tap"]) == ("torch:eager", "layer.3")]
    pooled = [
        row for row in read_events(folder).of("deviation") if (row["backend"], row["tap"]) == ("torch:eager", "layer.3")
    ]
    assert float(one["std"]) == pooled[0]["metrics"]["std"]
    assert (one["worst_token"], one["limit"], one["question"]) == ("елка", "3.0", "hidden_states")
    skipped = [row for row in taps if row["backend"] == "openvino:f32"]
    assert {(row["status"], row["message"], row["ratio"]) for row in skipped} == {
        ("skip", "openvino is not installed", "")
    }
    assert {row["question"] for row in written if not row["tap"]} == {"backend", "proof", "tokenization", "artifacts"}


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")

    def fail() -> None:
        with whole(path) as file:
            file.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]
    assert path.read_text() == "old"


def test_half_a_surrogate_is_written_as_an_escape(tmp_path: Path) -> None:
    with whole(tmp_path / "x.csv") as file:
        file.write("a\ud800b")
    assert (tmp_path / "x.csv").read_bytes() == b"a\\ud800b"


def test_no_events_no_report(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no events"):
        write_reports(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_junit_properties_round_trip_and_hold_only_legal_characters() -> None:
    worst = {"batch": "a", "row": 0, "position": None, "token": "\x00x", "candidate": 0.1}
    verdict = {
        "model": "m",
        "tap": None,
        "status": "fail",
        "value": 1 / 3,
        "limit": 3.0,
        "message": "a\x1bb",
        "worst": worst,
    }
    properties = dict(junit_properties(verdict))
    assert float(properties["parity.value"]) == 1 / 3
    assert properties["parity.worst.row"] == "0"
    assert properties["parity.message"] == "a⟨U+001B⟩b"
    assert properties["parity.worst.token"] == "⟨U+0000⟩x"
    assert not {"parity.tap", "parity.worst.position", "parity.backend"} & set(properties)
