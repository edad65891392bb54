"""Drift limits: calibration's largest excess, kept, compared, and told as a warning that is never red."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.events import read_events
from parity.runs import Run, RunOptions
from parity.runs.calibrating import calibrate
from parity.runs.drift import MARGIN, Drift, default_file, observe, read, warning, write
from parity.runs.outline import outline

OPTIONS = RunOptions(scale="tiny", backends=("torch:eager",), threads=1, in_process=True)


@pytest.fixture(scope="module")
def found() -> tuple[Drift, ...]:
    return calibrate("rubert", OPTIONS)


def test_every_batch_is_a_run_and_sound_runs_stay_below_their_limits(found: tuple[Drift, ...]) -> None:
    (drift,) = found
    assert drift.runtime == "torch:eager"
    assert drift.version.startswith("2.")
    assert drift.runs >= 10
    assert 0.1 < drift.largest < 1
    assert drift.limit == MARGIN * drift.largest
    assert drift.rate.startswith(f"n = {drift.runs}: rate below {3 / drift.runs:.2g}")


def test_a_run_beyond_its_drift_limit_warns_and_still_holds(found: tuple[Drift, ...], tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    write(path, [replace(found[0], largest=found[0].largest / 1000, version="1.0")])
    run = Run.begin(replace(OPTIONS, drift=path, taps=("layer.1",), report=tmp_path / "run"), ["rubert"])
    case = next(case for case in run.cases if case.question == "hidden_states")
    run.plan([case])
    for other in run.cases:
        if other != case:
            run.deselect(other)
    assert run.answer(case).status == "pass"
    run.close()
    run.finish(0)
    (told,) = read_events(run.folder).of("warning")
    assert "rounding behaviour changed: layer.1 lies at" in told["message"]
    assert f"version was 1.0, is {found[0].version}" in told["message"]
    assert "rounding behaviour changed" in run.summary[0]


def test_a_run_within_its_drift_limit_says_nothing(found: tuple[Drift, ...]) -> None:
    assert warning([], *_judged()) is None
    assert warning([replace(found[0], runtime="another")], *_judged()) is None
    assert warning([replace(found[0], largest=10.0)], *_judged()) is None
    assert warning([replace(found[0], largest=1e-6)], *_judged()) is not None


def _judged():
    from parity.measure.judgement import Finding, Judgement
    from parity.measure.station import Station
    from parity.measure.tap import TapMeasure

    finding = Finding("whole", 0.8, 1.6)
    judgement = Judgement("pass", "", (finding,), None, None, ())
    outcome = type("Outcome", (), {"job": type("Job", (), {"name": "torch:eager"}), "describe": {"version": "2"}})
    return outcome, {"layer.0": Station("layer.0", TapMeasure("layer.0"), judgement, None)}


def test_an_unsound_run_calibrates_nothing() -> None:
    outcome, stations = _judged()
    stations["layer.0"].measure.refuse("b", "the tap is missing")
    with pytest.raises(ParityError, match="not sound"):
        observe(outcome, [stations])


texts = st.text(max_size=10)


@given(st.lists(st.builds(Drift, texts, texts, texts, st.integers(1), st.floats(0, 10), texts), max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, drifts: list[Drift]) -> None:
    path = tmp_path_factory.mktemp("drift") / "sub" / "drift.json"
    write(path, drifts)
    assert read(path) == tuple(drifts)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "drifts": []}', '{"format": 1, "drifts": [{"a": 1}]}'])
def test_what_is_no_drift_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "drift.json"
    path.write_text(text)
    with pytest.raises(ParityError, match="drift"):
        read(path)


def test_the_default_file_is_the_models_and_scales_own() -> None:
    names = {default_file(outline("rubert", OPTIONS).name, scale) for scale in ("full", "tiny")}
    assert len(names) == 2
