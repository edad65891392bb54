"""What other tools have let pass as green, done by a runtime in a whole run: the run does not hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from parity.backends import RUNTIMES, Runtime, Status
from parity.backends import status as real_status
from parity.runs import Answer, Case, Run, RunOptions

FAKES = Path(__file__).parents[1] / "backends" / "fakes"
ROW = Runtime("fake", "silent", ("numpy",), "", "source", "float32")
STATIONS = ("hidden_states", "heads")
Judge = Callable[..., tuple[bool, dict[tuple[str, str | None], Answer], str]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(2)
    mask = np.ones((8, 12), np.int32)
    mask[0, 7:], mask[1, 3:] = 0, 0
    path = tmp_path_factory.mktemp("silent") / "inputs.npz"
    np.savez(path, input_ids=rng.integers(5, 1000, mask.shape, dtype=np.int32), attention_mask=mask)
    return path


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FAKES))
    import silent as module

    module.RECORDED.clear()
    return module


@pytest.fixture
def judged(inputs: Path, silent: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """A run of a runtime with a habit: whether it holds, its answers, and its last word."""
    monkeypatch.setitem(RUNTIMES, ROW.name, ROW)
    # NumPy is the source here: TensorFlow's import would be most of what these tests take.
    absent = Status("missing", "", None)
    monkeypatch.setattr(
        "parity.runs.outline.status", lambda row: absent if row.backend == "tensorflow" else real_status(row)
    )
    runs = []

    def judge(
        habit: str, wanted: Callable[[Case], bool] = lambda case: case.question != "invariance"
    ) -> tuple[bool, dict[tuple[str, str | None], Answer], str]:
        monkeypatch.setattr(silent, "HABIT", habit)
        options = RunOptions(
            scale="tiny",
            backends=(ROW.name,),
            inputs=str(inputs),
            in_process=True,
            threads=1,
            report=tmp_path / str(len(runs)),
        )
        run = Run.begin(options, ("rubert",))
        runs.append(run)
        chosen = [case for case in run.cases if case.backend == ROW.name and wanted(case)]
        for case in run.cases:
            if case not in chosen:
                run.deselect(case)
        run.plan(chosen)
        answers = {(case.question, case.tap): run.answer(case) for case in chosen}
        run.close()
        # Whatever pytest thinks of the tests: the verdict is the run's own.
        return run.finish(0), answers, run.summary[0]

    return judge


def test_an_honest_runtime_holds_so_that_red_means_something(judged: Judge) -> None:
    holds, answers, said = judged("honest", lambda case: True)
    assert {answer.status for answer in answers.values()} == {"pass"}, answers
    assert holds, said


AT_ITS_TAP = (
    "NaN",
    "infinite",
    "wrong shape",
    "one row for all",
    "wrong dtype",
    "half precision, labelled as float32",
    "half precision, cast back",
    "constant",
    "zeros",
    "all but the first row",
    "the last row",
    "signed mean",
    "correlation",
    "rows exchanged",
    "one tap twice",
)


@pytest.mark.parametrize("habit", AT_ITS_TAP)
def test_a_wrong_value_is_red_at_its_tap(habit: str, judged: Judge) -> None:
    holds, answers, said = judged(habit)
    assert not holds
    assert "broken" in said
    found = {tap: answer.status for (question, tap), answer in answers.items() if question in STATIONS}
    # What comes behind it may be red too: it was fed this.
    assert [found[tap] for tap in ("embeddings", "layer.0", "layer.1")] == ["pass", "pass", "fail"]


@pytest.mark.parametrize("habit", ["missing output", "surplus output", "no output at all", "an exception"])
def test_a_runtime_that_does_not_answer_as_asked_is_red(habit: str, judged: Judge) -> None:
    holds, answers, _ = judged(habit)
    assert not holds
    assert answers["backend", None].status == "fail"
    assert {answer.status for (question, _), answer in answers.items() if question in STATIONS} == {"skip"}


def test_a_swallowed_exception_is_red_everywhere(judged: Judge) -> None:
    holds, answers, _ = judged("an exception, swallowed")
    assert not holds
    assert {answer.status for (question, _), answer in answers.items() if question in STATIONS} == {"fail"}


@pytest.mark.parametrize("habit", ["every batch skipped", "nothing available"])
def test_nothing_compared_is_not_a_pass(habit: str, judged: Judge) -> None:
    holds, answers, said = judged(habit)
    assert not holds, said
    assert "pass" not in {answer.status for (question, _), answer in answers.items() if question in STATIONS}


def test_everything_deselected_is_not_a_pass(judged: Judge) -> None:
    holds, answers, said = judged("honest", lambda case: False)
    assert answers == {}
    assert not holds
    assert "nothing was compared" in said


def test_equal_nan_in_runtime_and_source_is_red(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RUNTIMES["tensorflow:numpy"]
    monkeypatch.setitem(RUNTIMES, source.name, replace(source, module="silent"))
    holds, answers, _ = judged("NaN")
    assert not holds
    assert answers["hidden_states", "layer.1"].status == "fail"


def test_recorded_answers_are_found_when_the_same_rows_are_fed_otherwise(judged: Judge) -> None:
    """On the run's own inputs a copy of the source's answers is a perfect runtime; no number there can tell."""
    holds, answers, _ = judged("recorded answers", lambda case: True)
    stations = {answer.status for (question, _), answer in answers.items() if question in STATIONS}
    assert stations == {"pass"}
    red = {tap for (question, tap), answer in answers.items() if question == "invariance" and answer.status == "fail"}
    assert red == {"padding", "batch-size", "batch-order"}
    assert not holds
