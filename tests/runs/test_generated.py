"""Generated text finds what fixed inputs cannot show, shrinks it, keeps it as a case, and replays it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.errors import ParityError
from parity.inputs.known import Known, applicable, read_known
from parity.runs import Answer, Case, Run, RunOptions
from parity.runs.casefile import CaseFile, read_case, regressions
from parity.runs.generated_ids import Texts, vanished
from parity.runs.replaying import replay, replay_in
from parity.tensorfile import map_tensors, read_specs, write_tensors

pytest.importorskip("torch", reason='pip install "parity[torch]"')

MODEL = "rubert"
Weights = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def quick_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy in float32 is the source here: TensorFlow takes longer to load than all of this to run."""
    monkeypatch.setattr("parity.runs.generated_states.references", lambda: ("oracle", "tensorflow:numpy"))


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(**options: object) -> Run:
        given = {
            "scale": "tiny",
            "backends": ("torch:eager",),
            "report": tmp_path / f"run{len(runs)}",
            "threads": 1,
            "in_process": True,
        } | options
        run = Run.begin(RunOptions(**given), (MODEL,))  # type: ignore[arg-type]
        run.plan(run.cases)
        runs.append(run)
        return run

    yield start
    for one in runs:
        one.close()


def case_of(run: Run, question: str, backend: str) -> Case:
    return next(case for case in run.cases if (case.question, case.backend) == (question, backend))


def states(run: Run, backend: str = "torch:eager") -> Answer:
    return run.answer(case_of(run, "generated_states", backend))


def copy_of(run: Run) -> Path:
    """A copy of the PyTorch artifact that the run takes for it."""
    model, _ = run._model(MODEL)
    folder = Path(str(run.folder) + "-damaged")
    shutil.copytree(model.artifact("pytorch"), folder)
    model.artifacts.take("pytorch", folder)
    return folder


def with_weights(run: Run, change: Callable[[Weights], None]) -> None:
    path = copy_of(run) / "model.safetensors"
    arrays = {name: array.copy() for name, array in map_tensors(path).items()}
    change(arrays)
    specs = [spec for spec, _ in read_specs(path)[1].values()]
    write_tensors(path, specs, [arrays[spec.name] for spec in specs], metadata={"format": "pt"})


def with_tokenizer(run: Run, change: Callable[[dict], object]) -> None:
    path = copy_of(run) / "tokenizer.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def written(answer: Answer, run: Run) -> CaseFile:
    (path,) = (run.folder / "cases").glob("*.json")
    assert f"again: parity replay {path.name}" in answer.message.replace(
        answer.message.rpartition("replay ")[2].rpartition("/")[0] + "/", ""
    )
    return read_case(path)


def test_a_sound_runtime_is_within_bounds_and_the_nearest_example_is_told(begin: Callable[..., Run]) -> None:
    answer = states(begin(examples=25))
    assert answer.status == "pass", answer.message
    assert "of its limit, on" in answer.message
    assert answer.value is not None
    assert answer.limit is not None
    assert answer.value < answer.limit


FAULTS: dict[str, Callable[[Weights], None]] = {
    "a late position": lambda weights: swap(weights, "position", 63, 62),
    "the second token type": lambda weights: swap(weights, "token_type", 1, 0),
}


def swap(weights: Weights, table: str, row: int, other: int) -> None:
    rows = weights[f"bert.embeddings.{table}_embeddings.weight"]
    rows[row] = rows[other]


@pytest.mark.parametrize("change", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_that_only_some_inputs_show_is_found_and_shrunk(
    begin: Callable[..., Run], change: Callable[[Weights], None]
) -> None:
    run = begin(examples=300, seed=1)
    with_weights(run, change)
    answer = states(run)
    assert answer.status == "fail", answer.message
    assert "embeddings: " in answer.message
    case = written(answer, run)
    assert (case.model, case.scale, case.runtime, case.tap, case.seed) == (
        MODEL,
        "tiny",
        "torch:eager",
        "embeddings",
        1,
    )
    batch = case.batch()
    real = batch.arrays["attention_mask"] == 1
    if change is FAULTS["a late position"]:
        assert real.shape == (1, 64)
    else:
        assert batch.arrays["token_type_ids"][real].any()
        assert real.size <= 3


def test_a_case_replays_until_the_fault_is_mended(begin: Callable[..., Run]) -> None:
    run = begin(examples=40)
    with_weights(run, FAULTS["the second token type"])
    answer = states(run)
    (path,) = (run.folder / "cases").glob("*.json")
    model, _ = run._model(MODEL)
    again = replay_in(model, path)
    assert (again.status, again.message.partition(":")[0]) == ("fail", "embeddings"), answer.message
    assert replay(path, options=RunOptions(in_process=True, threads=1)).status == "pass"


def test_a_runtime_that_dies_is_red_and_its_batch_is_kept(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.backends import torch

    plain = torch.Torch.run

    def fussy(self, inputs, *, texts):
        if inputs["input_ids"].shape[1] > 20:
            raise RuntimeError("no more than twenty")
        return plain(self, inputs, texts=texts)

    monkeypatch.setattr(torch.Torch, "run", fussy)
    run = begin(examples=60)
    answer = states(run)
    assert answer.status == "fail"
    assert "crashed: RuntimeError: no more than twenty" in answer.message
    case = written(answer, run)
    assert case.batch().arrays["input_ids"].shape[1] > 20


def test_a_wrong_casing_is_shrunk_to_a_letter(begin: Callable[..., Run]) -> None:
    run = begin(examples=150)
    with_tokenizer(run, lambda value: value["normalizer"]["normalizers"].append({"type": "Lowercase"}))
    answer = run.answer(case_of(run, "generated_ids", "tokenizers"))
    assert answer.status == "fail"
    case = written(answer, run)
    assert case.texts is not None
    assert len(case.texts[0]) == 1
    assert case.texts[0].isupper()
    assert case.expected != case.got
    assert f"U+{ord(case.texts[0]):04X}" in answer.message


def test_one_changed_line_of_the_vocabulary_is_found(begin: Callable[..., Run]) -> None:
    run = begin(examples=1500, seed=3)

    def change(value: dict) -> None:
        vocab = value["model"]["vocab"]
        vocab["й"], vocab["ж"] = vocab["ж"], vocab["й"]

    with_tokenizer(run, change)
    answer = run.answer(case_of(run, "generated_ids", "tokenizers"))
    assert answer.status == "fail", answer.message
    assert written(answer, run).texts in (("й",), ("ж",))


def test_sound_tokenizers_pass_and_known_differences_are_counted(begin: Callable[..., Run]) -> None:
    run = begin(examples=150)
    answer = run.answer(case_of(run, "generated_ids", "tokenizers"))
    assert answer.status == "pass", answer.message
    assert "special-tokens-in-a-text" in answer.message


def test_a_difference_that_is_not_listed_is_red(begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.runs.generated_ids.read_known", lambda: ())
    run = begin(examples=150)
    answer = run.answer(case_of(run, "generated_ids", "tokenizers"))
    assert answer.status == "fail"
    assert written(answer, run).texts in [(f"[{name}]",) for name in ("PAD", "UNK", "CLS", "SEP", "MASK")]


def test_an_entry_excuses_nothing_else_in_the_text(begin: Callable[..., Run]) -> None:
    run = begin()
    with_tokenizer(run, lambda value: value["normalizer"]["normalizers"].append({"type": "Lowercase"}))
    texts = Texts(run._model(MODEL)[0], "tokenizers")
    assert texts.look("привет [MASK] мир") is None
    assert texts.look("[MASK] Ж") is not None


def test_every_entry_still_differs() -> None:
    entries = applicable(read_known(), "tokenizers", lower_case=True)
    assert len(entries) == 2
    assert vanished("tokenizers", entries) == []


def test_an_entry_that_vanished_is_red(begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(read_known()[0], witness="ab", source=(5, 6))
    monkeypatch.setattr("parity.runs.generated_ids.read_known", lambda: (entry,))
    answer = (run := begin()).answer(case_of(run, "generated_ids", "tokenizers"))
    assert answer.status == "fail"
    assert "special-tokens-in-a-text has vanished" in answer.message


def test_entries_apply_where_they_can_show() -> None:
    of: dict[str, Known] = {entry.name: entry for entry in read_known()}
    newer = of["letters-newer-than-python"]
    assert newer in applicable(of.values(), "tokenizers", lower_case=True)
    assert newer not in applicable(of.values(), "tokenizers", lower_case=False)
    assert replace(newer, unicode_before=10) not in applicable(
        [replace(newer, unicode_before=10)], "tokenizers", lower_case=True
    )


def test_a_list_that_lacks_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text('[[difference]]\nname = "half"\n', encoding="utf-8")
    with pytest.raises(ParityError, match="not a list of known differences"):
        read_known(tmp_path / "known.toml")


def test_regressions_are_run_again(begin: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(examples=40)
    case = case_of(run, "regression", "regressions")
    assert run.answer(case).status == "skip"

    with_weights(run, FAULTS["the second token type"])
    states(run)
    monkeypatch.setattr("parity.runs.generated.regressions", lambda name: regressions(name, run.folder / "cases"))
    found = run.answer(case)
    assert found.status == "fail"
    assert "1 of 1 cases fail again: generated_states-torch-eager-" in found.message

    sound = begin()
    answer = sound.answer(case)
    assert (answer.status, answer.message) == ("pass", "1 cases of old hold")


def test_cases_of_other_models_and_scales_are_left_alone(begin: Callable[..., Run], tmp_path: Path) -> None:
    mine = CaseFile(
        question="generated_ids", model=MODEL, scale="full", runtime="tokenizers", texts=("a",), message="differs"
    )
    path = mine.write(tmp_path)
    replace(mine, model="danish-bert").write(tmp_path)
    assert regressions(MODEL, tmp_path) == (path,)
    assert replay_in(begin()._model(MODEL)[0], path).status == "skip"


def test_a_case_is_read_as_it_was_written(tmp_path: Path) -> None:
    case = CaseFile(
        question="generated_ids",
        model=MODEL,
        scale="tiny",
        runtime="spacy",
        texts=("й\u2028\U0001f600",),
        message="other ids",
        expected=(1, 2),
        got=(3,),
        seed=7,
        versions={"tokenizers": "1"},
    )
    assert read_case(case.write(tmp_path)) == case


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ("{}", "no message, model"),
        ('{"question": "generated_ids", "model": 3}', "wrong model"),
    ],
)
def test_what_is_no_case_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "case.json").write_text(text)
    with pytest.raises(ParityError, match=said):
        read_case(tmp_path / "case.json")


def test_precisions_that_are_not_judged_are_only_told(begin: Callable[..., Run]) -> None:
    answer = states(begin(backends=("torch:bf16",), examples=3), "torch:bf16")
    assert answer.status == "report", answer.message
    assert "runs in bfloat16: judged as a lower precision" in answer.message


def test_entries_of_another_kind_of_rules_excuse_nothing_here() -> None:
    mine = applicable(read_known(), "tokenizers", lower_case=False, kind="sentencepiece")
    assert [entry.name for entry in mine] == ["digit-before-a-comma"]
    assert mine[0] not in applicable(read_known(), "tokenizers", lower_case=True)
    assert vanished("tokenizers", mine) == []
    assert all(mine[0].pattern.search(text) for text in ("2,", "1，x", "a3\x07,", "\U0001f103"))
    assert not any(mine[0].pattern.search(text) for text in ("2 ,", "a,2", "2."))
