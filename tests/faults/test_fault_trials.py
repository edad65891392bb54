"""A handful of faults end to end on a tiny stand-in: put in, run, judged, diagnosed, told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")

from parity.faults.corpus import corpus
from parity.faults.finding import Finding
from parity.faults.matrix import build
from parity.faults.sound import _run
from parity.faults.trial import Trials
from parity.faults.variants import Variant, variants
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        patch.delenv("PARITY_MODELS", raising=False)
        folder = tmp_path_factory.mktemp("bench")
        whole = Workbench("rubert", folder=folder / "whole", options=RunOptions(scale="tiny", threads=1))
        few = [batch for batch in whole.batches if batch.kind in ("padded", "paired")]
        one = Workbench("rubert", folder=folder, options=RunOptions(scale="tiny", threads=1), batches=few)
        one.folder.mkdir(parents=True, exist_ok=True)
        yield one
        one.close()


@pytest.fixture(scope="module")
def trials(bench: Workbench) -> Trials:
    return Trials(bench)


def finding(trials: Trials, name: str) -> Finding:
    (found,) = build(trials, corpus("bert", name), sizes=True).findings
    return found


def test_a_kernel_that_is_not_transposed_is_caught_placed_named_and_sized(trials: Trials) -> None:
    found = finding(trials, "T-01/query")
    assert (found.right, found.placed, found.cause) == (True, True, "right")
    assert found.smallest is not None
    assert 2**-40 < found.smallest.t < 2**-3
    assert found.seen is not None
    assert found.seen.objections["rmse 2x"]


def test_a_key_bias_is_left_to_the_proof_and_no_rule_sees_it(trials: Trials) -> None:
    found = finding(trials, "N-15/key bias")
    assert found.right
    assert found.placed
    assert found.seen is not None
    assert not found.seen.objections["atol 1e-5"]


@pytest.mark.parametrize(
    "name", ["R-03/*", "R-13/*", "C-10/too long", "N-17/*", "K-02/*", "K-07/*", "S-01/*", "S-03/*", "S-10/*"]
)
def test_it_is_caught_by_what_was_expected(trials: Trials, name: str) -> None:
    for found in build(trials, corpus("bert", name)).findings:
        assert found.right, found.seen
        assert found.placed is not False, found.seen


def test_a_mask_that_is_ignored_is_caught_and_named(trials: Trials) -> None:
    found = finding(trials, "M-01/ignored")
    assert (found.right, found.placed, found.cause) == (True, True, "right")


def test_controls_are_left_alone(trials: Trials) -> None:
    assert finding(trials, "M-08/fill -10000").right


def test_a_sound_run_is_what_is_judged_and_its_power_could_be_lost(trials: Trials) -> None:
    assert trials.seen(trials.sound).verdict == "equivalent"


@pytest.mark.parametrize(
    "name", ["torch:eager units permuted", "torch:eager heads permuted", "torch:eager rows alone", "torch:sdpa"]
)
def test_harmless_variants_are_quiet(bench: Workbench, name: str) -> None:
    found = _run(bench, "few", next(variant for variant in variants("bert") if variant.name == name))
    assert found is not None
    assert found.alarm == ""


def test_a_variant_that_is_not_harmless_is_an_alarm(bench: Workbench) -> None:
    from parity.faults.edits import filled

    spoilt = Variant("spoilt", edit=filled("cls.predictions.bias", 0.0))
    found = _run(bench, "few", spoilt)
    assert found is not None
    assert found.alarm.startswith("logits.mlm")


def test_the_command_prints_the_matrix_writes_it_and_fails_without_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.cli import app
    from parity.errors import BrokenParity

    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("parity.backends.worker.environment", lambda threads: {})
    runner = CliRunner()
    chosen = ["faults", "rubert", "--scale", "tiny", "--threads", "1", "--only", "[RC]-1[03]"]
    done = runner.invoke(app, [*chosen, "--json", "--report", str(tmp_path / "report")])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "report" / "faults.json").read_text())["matrix"]
    assert told["holds"]
    assert {row["id"] for row in told["faults"]} == {"R-13", "C-10"}
    assert (tmp_path / "report" / "faults.csv").read_text().count("\n") == 1 + len(told["faults"])
    assert "R-13/big endian" in (tmp_path / "report" / "faults.md").read_text()
    monkeypatch.setattr("parity.checkpoints.entry._BIG_ENDIAN", 7)  # the reader no longer knows big endian
    lost = runner.invoke(app, chosen)
    assert isinstance(lost.exception, BrokenParity)
    assert "R-13/big endian" in lost.output
