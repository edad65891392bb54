from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from parity.artifacts.proof import read_proof
from parity.backends import RUNTIMES, Status
from parity.errors import ParityError
from parity.events import read_events
from parity.runs import Answer, Case, Run, RunOptions, run
from parity.tensorfile import map_tensors, read_specs, write_tensors

MODEL = "rubert"
EAGER = ("torch:eager",)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*models: str, **options: object) -> Run:
        given = {"scale": "tiny", "backends": EAGER, "report": tmp_path / f"run{len(runs)}", "threads": 1} | options
        run = Run.begin(RunOptions(**given), models or (MODEL,))
        runs.append(run)
        return run

    yield start
    for one in runs:
        one.close()


def ask(run: Run, wanted: Callable[[Case], bool] = lambda case: True) -> dict[tuple[str, str | None], Answer]:
    chosen = [case for case in run.cases if wanted(case)]
    for case in run.cases:
        if case not in chosen:
            run.deselect(case)
    run.plan(chosen)
    return {(case.question, case.tap): run.answer(case) for case in chosen}


def stations(case: Case) -> bool:
    return case.question in ("hidden_states", "heads")


def with_weights(run: Run, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Let the run judge a copy of its PyTorch artifact whose weights were changed by hand."""
    model, _ = run._model(MODEL)
    damaged = Path(str(run.folder) + "-damaged")
    shutil.copytree(model.artifact("pytorch"), damaged)
    path = damaged / "model.safetensors"
    arrays = {name: array.copy() for name, array in map_tensors(path).items()}
    change(arrays)
    specs = [spec for spec, _ in read_specs(path)[1].values()]
    write_tensors(path, specs, [arrays[spec.name] for spec in specs], metadata={"format": "pt"})
    model.artifacts.take("pytorch", damaged)


def test_a_sound_conversion_holds_and_everything_is_counted(begin: Callable[..., Run]) -> None:
    run = begin()
    answers = ask(run, lambda case: case.backend != "transformers" and case.question != "artifacts")
    skipped = {question for (question, _), answer in answers.items() if answer.status == "skip"}
    assert skipped <= {"regression"}, "no input broke anything yet"
    assert {answer.status for answer in answers.values()} <= {"pass", "skip"}
    assert run.finish(0)
    assert run.summary[0].startswith("parity holds (rubert is a stand-in: ")
    rows = list(csv.DictReader((run.folder / "deviations.csv").open(encoding="utf-8")))
    assert {"model", "backend", "precision", "batch", "tap", "metric", "value"} == set(rows[0])
    assert {row["tap"] for row in rows} >= {"embeddings", "layer.0", "layer.1", "pooler", "logits.mlm"}


def test_one_changed_weight_is_red_from_its_layer_on(begin: Callable[..., Run]) -> None:
    run = begin()

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["bert.encoder.layer.1.attention.self.query.weight"] *= np.float32(1.01)

    ask(run, lambda case: False)
    with_weights(run, change)
    found = {case.tap: run.answer(case) for case in run.cases if case.question == "hidden_states"}
    assert [found[tap].status for tap in ("embeddings", "layer.0", "layer.1")] == ["pass", "pass", "fail"]
    failed = found["layer.1"]
    assert failed.value is not None
    assert failed.value > 3
    assert failed.worst is not None
    assert failed.worst["text"] in failed.message.replace("\\'", "'")
    assert "wrong by itself is layer.1 and inside it layer.1.attention.query" in failed.message
    assert "bert/encoder/layer_1/attention/self/query/kernel is 1.01" in failed.message.replace("1.00999", "1.01")
    assert "shares of the error behind the last layer: layer.1" in failed.message
    assert failed.message.endswith("again: parity run rubert --backend torch:eager --scale tiny --taps 'layer.1*'")
    behind = next(run.answer(case) for case in run.cases if case.tap == "pooler")
    assert "inherited, its own error is sound" in behind.message


def test_a_tensor_that_only_the_proof_can_see(begin: Callable[..., Run]) -> None:
    run = begin()

    def drop_key_bias(arrays: dict[str, np.ndarray]) -> None:
        arrays["bert.encoder.layer.0.attention.self.key.bias"][:] = 0  # softmax cancels it

    ask(run, lambda case: False)
    with_weights(run, drop_key_bias)
    answers = {case: run.answer(case) for case in run.cases if stations(case) or case.question == "proof"}
    assert not [case for case, answer in answers.items() if stations(case) and answer.status == "fail"]
    proof = next(answer for case, answer in answers.items() if case.backend == "pytorch" and case.question == "proof")
    assert proof.status == "fail"
    assert "key.bias has other values" in proof.message


def test_nan_is_red(begin: Callable[..., Run]) -> None:
    run = begin()

    def poison(arrays: dict[str, np.ndarray]) -> None:
        arrays["bert.encoder.layer.0.output.dense.bias"][0] = np.nan

    ask(run, lambda case: False)
    with_weights(run, poison)
    found = {case.tap: run.answer(case) for case in run.cases if case.question == "hidden_states"}
    assert found["layer.0"].status == "fail"
    assert "NaN or infinite" in found["layer.0"].message


def test_a_missing_runtime_is_a_skip_unless_it_was_named(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Status("missing", "onnxruntime is not installed; pip install", None)
    row = RUNTIMES["onnxruntime"]
    monkeypatch.setattr(
        "parity.backends.scheduler.status", lambda one: absent if one is row else Status("ready", "", "1")
    )
    for backends, expected in (((), "skip"), (("onnxruntime",), "fail")):
        run = begin(backends=backends)
        answers = ask(run, lambda case: case.backend == "onnxruntime" and case.question == "backend")
        (answer,) = answers.values()
        assert answer.status == expected
        assert "not installed" in answer.message


def test_a_crashed_runtime_is_one_red_test_and_its_layers_are_counted(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin()
    ask(run, lambda case: case.backend == "torch:eager")  # answered soundly; now again with a worker that dies
    run = begin(memory_limit=1)
    answers = ask(run, lambda case: case.backend == "torch:eager")
    statuses = {question: answer.status for (question, _), answer in answers.items()}
    assert statuses["backend"] == "fail"
    assert "its limit is" in answers["backend", None].message
    assert statuses["hidden_states"] == "skip"
    assert not run.finish(1)
    assert "unjudged" in run.summary[0] or "broken" in run.summary[0]


def test_counts_that_do_not_add_up_are_red(begin: Callable[..., Run]) -> None:
    run = begin()
    chosen = [case for case in run.cases if case.question == "proof"]
    run.plan(run.cases)
    for case in chosen:
        run.answer(case)
    assert not run.finish(0)
    assert "do not add up" in run.summary[0]


def test_another_process_joins_the_same_run(begin: Callable[..., Run]) -> None:
    run = begin(taps=("layer.*",), texts=None)
    twin = Run.from_plain(run.to_plain())
    assert twin.cases == run.cases
    assert twin.folder == run.folder
    assert twin.options == run.options


def test_taps_select_finer_values(begin: Callable[..., Run]) -> None:
    run = begin(taps=("layer.1.attention.*", "layer.1"))
    answers = ask(run, stations)
    assert answers["hidden_states", "layer.1.attention.probs"].status == "pass"
    assert answers["hidden_states", "layer.1"].status == "pass"
    # Hugging Face's model hands its masked scores to nobody.
    assert answers["hidden_states", "layer.1.attention.scores"].status == "skip"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backends": ("torch:eagre",)}, "did you mean torch:eager"),
        ({"taps": ("layer.99",)}, "no tap matches"),
        ({"precisions": ("float8",)}, "no runtime claims this precision"),
    ],
)
def test_wrong_options_are_told_before_anything_is_built(
    begin: Callable[..., Run], options: dict[str, object], said: str
) -> None:
    with pytest.raises(ParityError, match=said):
        begin(**options)


def test_two_models_of_one_name_are_refused(begin: Callable[..., Run]) -> None:
    with pytest.raises(ParityError, match="same name"):
        begin(MODEL, MODEL)


def test_events_survive_without_a_finish(begin: Callable[..., Run]) -> None:
    run = begin()
    chosen = [case for case in run.cases if case.question == "proof" and case.backend == "pytorch"]
    run.plan(chosen)
    run.answer(chosen[0])
    # Nothing was closed: what is on disk is what a killed run leaves.
    assert [row["status"] for row in read_events(run.folder).of("verdict")] == ["pass"]


def test_artifacts_of_a_run_carry_their_proof(begin: Callable[..., Run]) -> None:
    run = begin()
    ask(run, lambda case: case.question == "proof" and case.backend in ("pytorch", "tensorflow"))
    model, _ = run._model(MODEL)
    assert read_proof(model.artifact("tensorflow")).notes["origin"].startswith("bit-identical")


def test_a_run_from_python(tmp_path: Path) -> None:
    options = RunOptions(scale="tiny", backends=EAGER, report=tmp_path / "run", taps=("layer.1",), threads=1)
    found = run(MODEL, options=options)
    assert found.holds
    assert (found.folder / "report.html").is_file()
    assert {answer.case.tap for answer in found.answers if answer.case.question == "hidden_states"} == {"layer.1"}


def test_what_stored_weights_cost_is_told_beside_the_verdict(begin: Callable[..., Run]) -> None:
    run = begin(backends=("openvino:int8-weights",))
    answers = ask(run, lambda case: case.question == "hidden_states")
    assert {answer.status for answer in answers.values()} == {"pass"}
    assert "the weights as stored move it by " in answers["hidden_states", "layer.1"].message
    run.finish(0)
    rows = list(csv.DictReader((run.folder / "deviations.csv").open(encoding="utf-8")))
    prices = {row["tap"]: float(row["value"]) for row in rows if row["metric"] == "price"}
    assert 1e-5 < prices["layer.1"] < 0.1
