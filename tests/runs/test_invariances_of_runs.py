"""Runtimes that answer otherwise when fed otherwise are red at the invariance that names it, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.backends import RUNTIMES
from parity.backends.outcome import Outcome
from parity.inputs.batch import Batch, spread_positions
from parity.runs import Answer, Case, RunOptions
from parity.runs.outline import INVARIANCES, INVARIANCES_OF_TEXTS, cases, invariances
from parity.runs.workbench import Workbench

ROW = RUNTIMES["tensorflow:numpy"]
FAKES = Path(__file__).parents[1] / "backends" / "fakes"
Ask = Callable[..., dict[str, Answer]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    made = Workbench("rubert", folder=tmp_path_factory.mktemp("bench"), options=RunOptions(scale="tiny", threads=2))
    yield made
    made.close()


@pytest.fixture
def ask(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask all invariances of a runtime that depends on something."""
    monkeypatch.syspath_prepend(str(FAKES))

    def answers(on: str, *, precision: str = "float32") -> dict[str, Answer]:
        bench.model.__dict__.pop("invariances", None)
        bench.model.scratch = tmp_path / f"{on}-{precision}"
        job = bench.job(ROW, out=bench.model.scratch / "usual")
        outcome = bench.run(replace(job, module="fickle", settings={"on": on}))
        assert outcome.ok, outcome.reason
        row = replace(ROW, precision=precision)
        every = {name: case(name, precision) for name in INVARIANCES}
        return {name: bench.model.invariances.answer(one, row, outcome) for name, one in every.items()}

    return answers


def case(name: str, precision: str = "float32") -> Case:
    return Case("rubert", ROW.name, precision, "invariance", name)


@pytest.mark.parametrize(
    ("on", "red"),
    [
        ("nothing", set()),
        ("padding", {"padding"}),
        ("company", {"batch-size"}),
        ("place", {"batch-size", "batch-order"}),
        ("threads", {"threads"}),
        ("counter", set(INVARIANCES)),
        ("dropout", set(INVARIANCES)),
        ("one_bit", {"repeated"}),
        ("nan_later", set(INVARIANCES)),
    ],
)
def test_what_an_answer_depends_on_is_red(on: str, red: set[str], ask: Ask) -> None:
    answers = ask(on)
    if on in ("nan_later", "counter"):
        answers.pop("threads")  # depends on which call of the run the batch was
        red = red - {"threads"}
    assert {name for name, answer in answers.items() if answer.status == "fail"} == red
    assert all(answer.message for answer in answers.values())


def test_bit_equality_is_told(ask: Ask) -> None:
    assert ask("nothing")["repeated"].message == "bit-equal at 6 of 6 stations"
    changed = ask("one_bit")["repeated"]
    assert changed.message.startswith("the same call gives other bits: bit-equal at 0 of 6 stations")
    assert "1 values differ" in changed.message


def test_a_low_precision_is_measured_but_its_repeated_call_is_judged(ask: Ask) -> None:
    answers = ask("padding", precision="bfloat16")
    assert {name: answer.status for name, answer in answers.items() if name != "threads"} == {
        "padding": "report",
        "batch-size": "report",
        "batch-order": "report",
        "repeated": "pass",
    }
    assert ask("one_bit", precision="bfloat16")["repeated"].status == "fail"


def test_a_runtime_that_dies_when_fed_otherwise_is_red(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    import fickle

    def dies(values: np.ndarray, fed: dict[str, np.ndarray], session: object) -> np.ndarray:
        if session.job.threads == 1:
            raise MemoryError("no room")
        return values

    monkeypatch.setattr(fickle, "nothing", dies)
    answers = ask("nothing")
    assert {answer.status for answer in answers.values()} == {"fail"}
    assert "no room" in answers["padding"].message


def test_inputs_that_cannot_be_fed_otherwise_are_skips_with_a_reason(tmp_path: Path) -> None:
    ids = np.arange(5, 69, dtype=np.int32)[None]
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    arrays["logit_positions"] = spread_positions(arrays["attention_mask"])
    bench = Workbench(
        "rubert",
        folder=tmp_path,
        options=RunOptions(scale="tiny", threads=1),
        batches=[Batch("long", arrays, None)],
    )
    outcome: Outcome = bench.run(bench.job(ROW, out=tmp_path / "usual"))
    answers = {name: bench.model.invariances.answer(case(name), ROW, outcome) for name in INVARIANCES}
    bench.close()
    assert {name: answer.status for name, answer in answers.items()} == {
        "padding": "skip",
        "batch-size": "skip",
        "batch-order": "skip",
        "threads": "pass",
        "repeated": "pass",
    }
    assert answers["padding"].message == "long is as long as the model takes: it cannot be padded"


def test_every_candidate_has_its_cases(bench: Workbench) -> None:
    found = [one for one in cases(bench.outline, RunOptions(scale="tiny")) if one.question == "invariance"]
    assert "rubert-torch:eager-float32-padding" in {one.id for one in found}
    assert {one.tap for one in found if one.backend == "spacy"} == set(INVARIANCES_OF_TEXTS)
    assert not {one.backend for one in found} & {"oracle", "tensorflow"}
    assert invariances(RUNTIMES["onnxruntime"]) == INVARIANCES
