"""The workbench judges what a run would, candidate after candidate, and the investigation finds place and operation."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from parity.backends import RUNTIMES
from parity.measure.station import guilty
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench
from parity.tensorfile import map_tensors, read_specs, write_tensors

QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return Workbench("rubert", folder=tmp_path_factory.mktemp("bench"), options=RunOptions(scale="tiny", threads=1))


def damaged(bench: Workbench, folder: Path) -> Path:
    shutil.copytree(bench.model.artifact("pytorch"), folder)
    path = folder / "model.safetensors"
    arrays = {name: array.copy() for name, array in map_tensors(path).items()}
    arrays[QUERY] *= np.float32(1.01)
    specs = [spec for spec, _ in read_specs(path)[1].values()]
    write_tensors(path, specs, [arrays[spec.name] for spec in specs], metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("runtime", ["torch:eager", "tensorflow:numpy"])
def test_sound_candidates_pass_everywhere(bench: Workbench, tmp_path: Path, runtime: str) -> None:
    outcome = bench.run(bench.job(RUNTIMES[runtime], out=tmp_path / "sound"))
    found = bench.judge(outcome)
    assert list(found) == ["embeddings", "layer.0", "layer.1", "pooler", "logits.mlm", "logits.nsp"]
    assert {station.status for station in found.values()} == {"pass"}
    assert all(station.own is not None for station in found.values())


def test_a_fault_is_guilty_where_it_was_put_and_inherited_behind(bench: Workbench, tmp_path: Path) -> None:
    folder = damaged(bench, tmp_path / "damaged")
    outcome = bench.run(bench.job(RUNTIMES["torch:eager"], out=tmp_path / "out", artifact=folder))
    found = bench.judge(outcome)
    assert guilty(found.values()) == ("layer.1",)
    assert found["layer.0"].status == "pass"
    assert found["logits.mlm"].inherited


def test_without_own_errors_only_what_accumulated_is_judged(bench: Workbench, tmp_path: Path) -> None:
    outcome = bench.run(bench.job(RUNTIMES["torch:eager"], out=tmp_path / "out"))
    assert all(station.own is None for station in bench.judge(outcome, own=False).values())
