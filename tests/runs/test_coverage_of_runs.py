from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from parity.events import read_events
from parity.runs import RunOptions
from parity.runs.coverage import record
from parity.runs.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    made = Workbench("rubert", folder=tmp_path, options=RunOptions(scale="tiny", threads=2))
    yield made
    made.close()


def told(bench: Workbench) -> Mapping[str, Any]:
    return read_events(bench.folder / "log").of("coverage")[-1]


def test_inputs_and_weights_are_told_once_and_walked_once(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    record(bench.model, weights=True)
    first = told(bench)
    numbers = {(one["subject"], one["name"], one["measure"]): one["value"] for one in first["counts"]}
    assert numbers["positions", "rows", "touched"] == numbers["positions", "rows", "count"] == 64
    assert numbers["masks", "holes", "rows"] == 8
    kernel = "bert/encoder/layer_1/output/dense/kernel at layer.1.output"
    assert numbers["weights", kernel, "weights"] == 2048
    assert numbers["weights", kernel, "bit 11"] > 0.95
    assert numbers["weights", kernel, "untouched"] == 0
    assert numbers["weights", "bert/embeddings/word_embeddings at embeddings", "untouched"] > 0
    left = {one["what"]: one for one in first["unseen"]}
    assert left["tensors that cancel"]["count"] == 2
    assert {one["why"] for one in first["unseen"]} >= {"optimizer slot", "training state, not part of the model"}
    assert first["problem"] is None

    def never(jobs: object) -> None:
        raise AssertionError("walked twice")

    monkeypatch.setattr(bench.model, "wait", never)
    record(bench.model, weights=True)
    assert told(bench)["counts"] == first["counts"]


def test_without_stations_no_weight_is_looked_at(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.model, "wait", None)
    record(bench.model, weights=False)
    assert {one["subject"] for one in told(bench)["counts"]} >= {"vocabulary", "masks", "scripts"}
    assert "weights" not in {one["subject"] for one in told(bench)["counts"]}


def test_a_walk_that_fails_is_told_and_not_kept(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("parity.runs.coverage.reference_traces", lambda *given: _uncached(bench, given[-1]))
    monkeypatch.setattr("parity.backends.visibility.VisibilityBackend.run", broken)
    record(bench.model, weights=True)
    assert "no room" in told(bench)["problem"]


def _uncached(bench: Workbench, build: Any) -> Path:
    folder = bench.folder / "uncached"
    folder.mkdir()
    build(folder)
    return folder
