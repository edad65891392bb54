"""What an rms cannot see in a lower precision: another activation is red, with the cause in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.backends import RUNTIMES
from parity.backends.diagnosis.directions import Direction, directions
from parity.backends.recipes import recipe
from parity.errors import ParityError
from parity.measure.filter import Coefficient
from parity.measure.station import Station
from parity.measure.verdict import Verdict
from parity.models import Scale
from parity.runs import directing
from parity.runs.directing import directed
from parity.runs.lower import Lower
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench
from parity.traces import batch_path

ROW = RUNTIMES["torch:bf16"]
HIDDEN = ("embeddings", "layer.0", "layer.1")
TANH, QUICK = "the activation is GELU by the tanh formula", "the activation is x * sigmoid(1.702 x)"


class Bench:
    """torch:bf16 on a model that says GELU by erf."""

    def __init__(self, folder: Path, scale: Scale, batches: tuple[str, ...]) -> None:
        options = RunOptions(scale=scale)
        whole = Workbench("rubert", folder=folder, options=options)
        some = [batch for batch in whole.batches if batch.name in batches]
        self.bench = Workbench("rubert", folder=folder, options=options, batches=some)

    def artifact(self, activation: str) -> Path:
        """Its artifact, whose config says another activation."""
        folder = self.bench.folder / activation
        shutil.copytree(self.bench.model.artifact(ROW.kind), folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "hidden_act": activation}))
        return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("tiny"), "tiny", ("single-0", "paired-0"))
    yield made
    made.bench.close()


def judged(tiny: Bench, tmp_path: Path, activation: str = "") -> dict[str, Station]:
    artifact = tiny.artifact(activation) if activation else None
    outcome = tiny.bench.run(tiny.bench.job(ROW, out=tmp_path / "run", artifact=artifact))
    return Lower(tiny.bench.model, tmp_path / "lower").judge(ROW, outcome, precision=ROW.precision)


def test_a_sound_run_passes_and_says_what_was_looked_for(tiny: Bench, tmp_path: Path) -> None:
    found = judged(tiny, tmp_path)
    assert all(found[tap].status == "pass" for tap in HIDDEN)
    assert "of 6 suspected computations none is in the error" in found["layer.1"].message
    assert [tap for tap in found if "suspected" in found[tap].message] == ["layer.1"]


def test_another_activation_is_red_where_the_rms_is_sound(tiny: Bench, tmp_path: Path) -> None:
    found = judged(tiny, tmp_path, "quick_gelu")
    for tap in ("layer.0", "layer.1"):
        assert found[tap].status == "fail"
        assert (found[tap].value or 0) < 1.1  # which is why an rms does not tell
        assert f"{QUICK}: " in found[tap].message
        assert "of that difference is in the error" in found[tap].message
    assert found["embeddings"].status == "pass"


def test_what_cannot_be_told_is_said_and_costs_nothing(tiny: Bench, tmp_path: Path) -> None:
    found = judged(tiny, tmp_path, "gelu_new")  # layers of 32 channels: rounding is a hundred times the difference
    assert found["layer.1"].status == "pass"
    assert f"whether {TANH} is not identifiable" in found["layer.1"].message


def test_a_failure_of_the_filter_costs_no_verdict(tiny: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ParityError("no such thing")

    monkeypatch.setattr(directing, "directions", broken)
    found = judged(tiny, tmp_path)
    assert all(found[tap].status == "pass" for tap in HIDDEN)
    assert "not looked for what an rms cannot see: ParityError: no such thing" in found["layer.1"].message


def test_the_tanh_formula_is_told_from_erf_under_bfloat16(tmp_path: Path) -> None:
    small = Bench(tmp_path, "small", ("single-0", "paired-0"))
    taps, found = ("embeddings", *(f"layer.{i}" for i in range(6))), []
    for artifact in (None, small.artifact("gelu_pytorch_tanh")):
        out = tmp_path / f"run-{artifact is None}"
        outcome = small.bench.run(small.bench.job(ROW, out=out, artifact=artifact, taps=taps))
        traces = [batch_path(outcome.traces, place) for place in range(len(outcome.job.inputs))]
        looked = directions(small.bench.reference_job, recipe("bfloat16"), candidate=traces)
        found.append({one.sentence: one for one in looked}[TANH])
    sound, faulty = found
    small.bench.close()
    assert set(sound.stations) == set(taps[1:])  # no activation moves the embeddings
    assert sound.total.identifiable
    assert abs(sound.total.value) < 0.05
    assert faulty.total.found
    assert faulty.total.value == pytest.approx(1, abs=0.5)


def test_one_layer_alone_is_red_alone(tiny: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = {"layer.0": coefficient(0.0), "layer.1": coefficient(1.0)}
    other = Direction(QUICK, {tap: coefficient(40 * one.value) for tap, one in layers.items()})
    outcome = tiny.bench.run(tiny.bench.job(ROW, out=tmp_path / "run"))
    verdicts = {tap: Verdict("pass", 1.0, 1.5, "sound") for tap in HIDDEN}
    for found in ((Direction(TANH, layers),), (other, Direction(TANH, layers))):  # what resembles it is not named
        monkeypatch.setattr(directing, "directions", lambda *_, found=found, **__: found)
        told = directed(verdicts, outcome, reference=tiny.bench.reference_job, recipe_name="bfloat16", hidden=HIDDEN)
        assert told["layer.1"].status == "fail"
        assert told["layer.1"].message == f"sound; {TANH}: 1.00 ± 0.05 of that difference is in the error"
        assert told["layer.0"] == verdicts["layer.0"]


def coefficient(value: float) -> Coefficient:
    return Coefficient(value, 0.05, value, 0.0)
