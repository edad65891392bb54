"""Lower precisions of the real runtimes beside their recipes; lies about a precision; storage as shipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.artifacts.convert import derive
from parity.backends import RUNTIMES
from parity.backends.outcome import Outcome
from parity.measure.lower import LIMIT, UNDERSTATED
from parity.runs.lower import Lower
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench

LAYERS = ("layer.0", "layer.1")
LOWERED = ("torch:bf16", "torch:f16", "torch:autocast", "torch:int8", "openvino:int8", "onnxruntime:int8")
STORED = ("openvino:f16-weights", "openvino:int8-weights")


class Bench:
    """One tiny model, every runtime run once."""

    def __init__(self, folder: Path) -> None:
        options = RunOptions(scale="tiny")
        some = [
            batch for batch in Workbench("rubert", folder=folder, options=options).batches if batch.kind == "paired"
        ]
        self.bench = Workbench("rubert", folder=folder, options=options, batches=some)
        self.lower = Lower(self.bench.model, folder / "lower")
        self._outcomes: dict[str, Outcome] = {}

    def outcome(self, name: str, artifact: Path | None = None) -> Outcome:
        key = f"{name}{artifact or ''}".replace(":", "-").replace("/", "-")
        if key not in self._outcomes:
            job = self.bench.job(RUNTIMES[name], out=self.bench.folder / key, artifact=artifact)
            self._outcomes[key] = self.bench.run(job)
        return self._outcomes[key]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.bench.close()


@pytest.mark.parametrize("name", LOWERED)
def test_a_runtime_errs_as_its_recipe_says(name: str, bench: Bench) -> None:
    row, outcome = RUNTIMES[name], bench.outcome(name)
    assert outcome.describe["precision"] == row.precision
    found = bench.lower.judge(row, outcome, precision=row.precision)
    assert {verdict.status for verdict in found.values()} <= {"pass", "report"}
    for tap in LAYERS:
        assert found[tap].limit == LIMIT
        assert found[tap].value == pytest.approx(1, abs=0.1)  # the recipe is not only right, it is the right one


@pytest.mark.parametrize("name", ["openvino:bf16", "openvino:f16", "openvino:default"])
def test_openvino_rounds_as_its_recipe_says_or_declares_that_it_cannot(name: str, bench: Bench) -> None:
    row, outcome = RUNTIMES[name], bench.outcome(name)
    precision = outcome.describe["precision"]
    if outcome.unavailable:
        assert bench.lower.judge(row, outcome, precision=row.precision) == {}
    elif precision == "bfloat16":
        found = bench.lower.judge(row, outcome, precision=precision)
        assert {verdict.status for verdict in found.values()} <= {"pass", "report"}
        assert all(UNDERSTATED <= (found[tap].value or 0) <= LIMIT for tap in LAYERS)


def test_float32_under_a_lower_label_is_red(bench: Bench) -> None:
    plain = bench.outcome("torch:eager")
    for name in ("torch:bf16", "torch:int8"):
        found = bench.lower.judge(RUNTIMES[name], plain, precision=RUNTIMES[name].precision)
        assert all(found[tap].status == "fail" for tap in LAYERS)
        assert "another arithmetic ran than the label says" in found["layer.0"].message


@pytest.mark.parametrize("name", ["torch:autocast", "torch:int8"])
def test_a_lower_precision_under_the_label_float32_is_red(name: str, bench: Bench) -> None:
    found = bench.lower.judge(RUNTIMES["torch:eager"], bench.outcome(name), precision="float32")
    assert all(found[tap].status == "fail" for tap in LAYERS)


def test_another_recipe_of_the_same_precision_is_told_apart(bench: Bench) -> None:
    found = bench.lower.judge(RUNTIMES["torch:autocast"], bench.outcome("torch:bf16"), precision="bfloat16")
    assert all(found[tap].status == "fail" for tap in LAYERS)


@pytest.mark.parametrize("name", STORED)
def test_stored_weights_pass_as_shipped_and_fail_as_the_sources(name: str, bench: Bench) -> None:
    row, outcome = RUNTIMES[name], bench.outcome(name)
    found = bench.lower.judge(row, outcome, precision="float32")
    assert {verdict.status for verdict in found.values()} == {"pass"}
    assert all((verdict.value or 0) < (verdict.limit or 0) for verdict in found.values())
    against_source = bench.lower.judge(RUNTIMES["openvino:f32"], outcome, precision="float32")
    assert all(against_source[tap].status == "fail" for tap in LAYERS)
    costs = bench.lower.price(row)["layer.1"]
    assert 1e-5 < costs.error / costs.size < 1e-2


def test_rows_without_options_store_what_the_source_stores(bench: Bench) -> None:
    assert bench.lower.price(RUNTIMES["torch:bf16"]) == {}
    concerned = {row.name for row in RUNTIMES.values() if bench.lower.concerns(row, row.precision)}
    assert {*LOWERED, *STORED} <= concerned
    assert not {"torch:eager", "openvino:f32", "onnxruntime"} & concerned


def test_an_epsilon_is_seen_through_half_precision_weights(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "pytorch"
    shutil.copytree(bench.bench.model.artifact("pytorch"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-6}))
    (tmp_path / "ir").mkdir()
    derive(folder, tmp_path / "ir", to="openvino", compress="fp16")
    row = RUNTIMES["openvino:f16-weights"]
    found = bench.lower.judge(row, bench.outcome(row.name, tmp_path / "ir"), precision="float32")
    assert found["embeddings"].status == "fail"
    assert (found["embeddings"].value or 0) > 10 * (found["embeddings"].limit or 0)
