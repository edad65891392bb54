"""`parity trace`: what runtimes compute on the goldens' own batches, against what the original computed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CYRILLIC, ERF, tree, write_source

from parity.artifacts import Choices, convert_checkpoint, read_proof
from parity.backends import RUNTIMES
from parity.backends.outcome import Outcome
from parity.errors import BrokenParity, MissingRuntime, ParityError
from parity.inputs.batch import spread_positions
from parity.runs.options import RunOptions
from parity.runs.tracing import trace
from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_path, read_batch, write_batch

HERE = RunOptions(in_process=True, threads=2)
STATIONS = ["embeddings", "layer.0", "layer.1", "layer.2", "pooler", "logits.mlm", "logits.nsp"]
KEYS = {"embeddings": "embedding_output", "pooler": "pooled_output"}
KEYS |= {"logits.mlm": "mlm_logits", "logits.nsp": "nsp_logits"} | {f"layer.{i}": f"layer_{i}" for i in range(3)}


def run(subject: Path, inputs: Path, out: Path, backend: str, **options: Any) -> Outcome:
    return trace(str(subject), inputs, out, backend=backend, **{"options": HERE, **options})


def only(out: Path) -> TraceBatch:
    assert tree(out) == {"batch-000.safetensors"}
    return read_batch(batch_path(out, 0))


def original(case: Path) -> dict[str, Array]:
    golden = np.load(case / "golden.npz")
    return {tap: golden[key] for tap, key in KEYS.items()}


def real(case: Path) -> Array:
    found: Array = np.load(case / "golden.npz")["input_mask"] == 1
    return found


@pytest.mark.parametrize("case", [ERF, CYRILLIC], ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("backend", "dtype"), [("oracle", np.float64), ("tensorflow:numpy", np.float32), ("torch:eager", np.float32)]
)
def test_every_station_is_the_originals_with_logits_everywhere(
    tmp_path: Path,
    converted: dict[Path, Path],
    golden_batches: dict[Path, Path],
    case: Path,
    backend: str,
    dtype: Any,
) -> None:
    if backend.startswith("torch"):
        pytest.importorskip("torch", reason='pip install "parity[torch]"')
    subject = converted[case] if RUNTIMES[backend].kind == "pytorch" else case
    outcome = run(subject, golden_batches[case], tmp_path / "out", backend, all_positions=True)
    assert outcome.ok
    found = only(tmp_path / "out")
    assert list(found.taps) == STATIONS
    for tap, expected in original(case).items():
        assert found.taps[tap].dtype == dtype
        assert found.taps[tap].shape == expected.shape
        counted = real(case) if expected.ndim == 3 else slice(None)
        assert np.abs(found.taps[tap] - expected)[counted].max() < 1e-5, tap


def test_the_trace_says_what_was_run_on_what(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    run(ERF, golden_batches[ERF], tmp_path / "out", "tensorflow:numpy", settings={})
    found, given = only(tmp_path / "out"), np.load(golden_batches[ERF])
    for name in given:
        np.testing.assert_array_equal(found.inputs[name], given[name])
    positions = spread_positions(given["attention_mask"])
    np.testing.assert_array_equal(found.inputs["logit_positions"], positions)
    expected = original(ERF)["logits.mlm"][np.arange(3)[:, None], positions]
    assert np.abs(found.taps["logits.mlm"] - expected).max() < 1e-5
    assert (found.meta["backend"], found.meta["variant"], found.meta["precision"]) == ("tensorflow", "numpy", "float32")
    assert (found.meta["model"], found.meta["head"], found.meta["name"]) == (ERF.name, "pretraining", ERF.name)
    assert len(found.meta["inputs"]) == 64
    assert found.unavailable == {}


def test_a_worker_process_answers_the_same(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    run(ERF, golden_batches[ERF], tmp_path / "here", "oracle")
    outcome = run(ERF, golden_batches[ERF], tmp_path / "there", "oracle", options=RunOptions(threads=2))
    assert outcome.forward_s > 0
    here, there = only(tmp_path / "here"), only(tmp_path / "there")
    for tap in STATIONS:
        np.testing.assert_array_equal(here.taps[tap], there.taps[tap])


def test_finer_taps_are_traced_when_named(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    taps = ("layer.?.attention.probs", "layer.1")
    run(ERF, golden_batches[ERF], tmp_path / "out", "oracle", taps=taps)
    found, golden = only(tmp_path / "out"), np.load(ERF / "golden.npz")
    assert sorted(found.taps) == [
        "layer.0.attention.probs",
        "layer.1",
        "layer.1.attention.probs",
        "layer.2.attention.probs",
    ]
    for i in range(3):
        deviation = np.abs(found.taps[f"layer.{i}.attention.probs"] - golden[f"attn_probs_{i}"])
        assert deviation.max() < 5e-6


def test_decisions_about_a_checkpoint_reach_the_reference(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    choices = Choices(activation="tanh", head="nsp")
    run(ERF, golden_batches[ERF], tmp_path / "out", "oracle", choices=choices)
    found = only(tmp_path / "out")
    assert "logits.mlm" not in found.taps
    assert "logits.nsp" in found.taps
    assert np.abs(found.taps["layer.2"] - original(ERF)["layer.2"])[real(ERF)].max() > 1e-4


def test_config_and_vocabulary_may_lie_elsewhere(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    for file in ERF.glob("bert_model.ckpt.*"):
        shutil.copy(file, folder)
    inputs = golden_batches[ERF]
    with pytest.raises(ParityError, match="--config"):
        run(folder, inputs, tmp_path / "out", "oracle")
    run(folder, inputs, tmp_path / "out", "oracle", config=ERF / "bert_config.json", vocab=ERF / "vocab.txt")


def test_a_trace_is_an_input_of_another(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    run(ERF, golden_batches[ERF], tmp_path / "one", "oracle")
    run(ERF, tmp_path / "one", tmp_path / "two", "oracle")
    assert only(tmp_path / "one").meta["inputs"] == only(tmp_path / "two").meta["inputs"]
    np.testing.assert_array_equal(only(tmp_path / "one").taps["layer.2"], only(tmp_path / "two").taps["layer.2"])


def test_a_directory_by_others_runs_in_torch(
    tmp_path: Path, converted: dict[Path, Path], golden_batches: dict[Path, Path]
) -> None:
    pytest.importorskip("torch", reason='pip install "parity[torch]"')
    folder = Path(shutil.copytree(converted[ERF], tmp_path / "hf"))
    (folder / "conversion.json").unlink()
    run(folder, golden_batches[ERF], tmp_path / "out", "torch:sdpa")
    assert np.abs(only(tmp_path / "out").taps["layer.2"] - original(ERF)["layer.2"])[real(ERF)].max() < 1e-5


# What cannot be run leaves nothing and says why.


def refused(tmp_path: Path, *arguments: Any, kind: type[ParityError] = ParityError, **options: Any) -> str:
    before = tree(tmp_path)
    with pytest.raises(ParityError) as caught:
        run(*arguments, **options)
    assert type(caught.value) is kind, caught.value
    assert tree(tmp_path) == before
    return str(caught.value)


def changed(case: Path, out: Path, change: Callable[[dict[str, Array]], Any], given: Path) -> Path:
    arrays = dict(np.load(given))
    change(arrays)
    np.savez(out, **arrays)
    return out


BAD: dict[str, tuple[Callable[[dict[str, Array]], Any], str]] = {
    "an id beyond the vocabulary": (
        lambda arrays: arrays["input_ids"].__setitem__((1, 3), 601),
        r"input_ids at row 1, position 3 is out of range \(got 601, expected 0 to 600",
    ),
    "a negative id": (lambda arrays: arrays["input_ids"].__setitem__((0, 0), -1), "got -1"),
    "a third token type": (lambda arrays: arrays["token_type_ids"].__setitem__((0, 0), 2), "token_type_ids at row 0"),
    "longer than the positions": (
        lambda arrays: arrays.update({name: np.tile(array, 2) for name, array in arrays.items()}),
        "longer than the model has positions .got 80, expected at most 40",
    ),
    "no ids": (lambda arrays: arrays.pop("input_ids"), "no array input_ids"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("backend", ["oracle", "torch:eager"])
def test_inputs_that_are_not_the_models_are_refused_before_anything_runs(
    tmp_path: Path, converted: dict[Path, Path], golden_batches: dict[Path, Path], bad: str, backend: str
) -> None:
    change, says = BAD[bad]
    inputs = changed(ERF, tmp_path / "mine.npz", change, golden_batches[ERF])
    subject = ERF if backend == "oracle" else converted[ERF]
    message = refused(tmp_path, subject, inputs, tmp_path / "new" / "out", backend)
    assert "mine.npz" in message
    assert re.search(says, message), message


def test_inputs_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, says in (("absent.npz", "no such inputs"), ("empty", "no inputs in this folder")):
        assert says in refused(tmp_path, ERF, tmp_path / name, tmp_path / "out", "oracle")


def test_what_is_there_is_kept_unless_forced(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("x")
    assert "already there" in refused(tmp_path, ERF, golden_batches[ERF], out, "oracle")
    run(ERF, golden_batches[ERF], out, "oracle", force=True)
    assert tree(out) == {"batch-000.safetensors"}


def test_requests_that_make_no_sense_are_usage_errors(
    tmp_path: Path, converted: dict[Path, Path], golden_batches: dict[Path, Path]
) -> None:
    inputs, out = golden_batches[ERF], tmp_path / "out"
    cases: list[tuple[Path, str, dict[str, Any], str]] = [
        (ERF, "orcale", {}, "no runtime orcale; did you mean oracle"),
        (ERF, "torch", {}, "it has variants; did you mean torch:eager or torch:sdpa"),
        (ERF, "oracle", {"taps": ("layer.9",)}, "layer.9"),
        (ERF, "oracle", {"precision": "int8"}, "does not compute in int8"),
        (ERF, "oracle", {"settings": {"speed": "high"}}, "speed"),
        (ERF, "oracle", {"choices": Choices(head="qa")}, "holds no head qa"),
        (tmp_path / "nowhere", "oracle", {}, "no such checkpoint"),
        (tmp_path / "nowhere", "torch:eager", {}, "no weights here"),
        (ERF, "torch:eager", {}, "no weights here"),
        (converted[ERF], "openvino:f32", {}, "openvino:f32 cannot run this artifact (got pytorch, expected openvino)"),
        (ERF, "openvino:f32", {}, "no proof here"),
    ]
    for subject, backend, options, says in cases:
        message = refused(tmp_path, subject, inputs, out, backend, **options)
        assert says in message, message
        assert "Traceback" not in message


def test_an_artifact_of_another_kind_is_refused(tmp_path: Path, golden_batches: dict[Path, Path]) -> None:
    convert_checkpoint(str(ERF), tmp_path / "tf", to="tensorflow")
    message = refused(tmp_path, tmp_path / "tf", golden_batches[ERF], tmp_path / "out", "torch:eager")
    assert "torch:eager cannot run this artifact (got tensorflow, expected pytorch)" in message
    run(tmp_path / "tf", golden_batches[ERF], tmp_path / "out", "oracle")


def test_a_proof_that_names_an_unknown_head_is_refused(
    tmp_path: Path, converted: dict[Path, Path], golden_batches: dict[Path, Path]
) -> None:
    folder = Path(shutil.copytree(converted[ERF], tmp_path / "hf"))
    replace(read_proof(folder), head="tail").write(folder)
    message = refused(tmp_path, folder, golden_batches[ERF], tmp_path / "out", "torch:eager")
    assert "unknown head (got tail); convert again" in message


def test_a_runtime_that_is_not_installed_is_exit_3(
    tmp_path: Path, converted: dict[Path, Path], golden_batches: dict[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(RUNTIMES["torch:eager"], module="no_such_runtime")
    monkeypatch.setitem(RUNTIMES, "torch:eager", row)  # type: ignore[arg-type]
    message = refused(
        tmp_path, converted[ERF], golden_batches[ERF], tmp_path / "out", "torch:eager", kind=MissingRuntime
    )
    assert 'pip install "parity[torch]"' in message


def test_a_damaged_checkpoint_is_unreadable_and_a_crash_is_broken(
    tmp_path: Path, golden_batches: dict[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(shutil.copytree(ERF, tmp_path / "source"))
    data = next(source.glob("*.data-*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2 :] = bytes(b ^ 1 for b in content[len(content) // 2 :])
    data.write_bytes(content)
    message = refused(tmp_path, source, golden_batches[ERF], tmp_path / "out", "oracle")
    assert "do not match the checksum" in message

    from parity.backends import oracle

    def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError("it broke")

    monkeypatch.setattr(oracle.Oracle, "run", crash)
    message = refused(tmp_path, ERF, golden_batches[ERF], tmp_path / "out", "oracle", kind=BrokenParity)
    assert "oracle crashed: " in message
    assert "it broke" in message


def test_every_head_is_traced(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "in.npz", input_ids=rng.integers(0, 59, (2, 7)))
    shapes = {"classifier": (2, 3), "qa": (2, 7, 2), "mlm": (2, 8, 59), "nsp": (2, 2)}
    for head, shape in shapes.items():
        source = write_source(tmp_path / head, head)
        run(source, tmp_path / "in.npz", tmp_path / f"{head}-out", "oracle")
        assert only(tmp_path / f"{head}-out").taps[f"logits.{head}"].shape == shape


def test_given_a_trace_every_station_is_evaluated_on_that_traces_own_inputs(
    tmp_path: Path, golden_batches: dict[Path, Path], converted: dict[Path, Path]
) -> None:
    inputs = golden_batches[ERF]
    run(converted[ERF], inputs, tmp_path / "torch", "torch:eager")
    run(ERF, inputs, tmp_path / "oracle", "oracle")
    run(ERF, inputs, tmp_path / "steps", "oracle", given=tmp_path / "torch")
    torch, oracle, steps = (only(tmp_path / name) for name in ("torch", "oracle", "steps"))
    np.testing.assert_array_equal(steps.taps["embeddings"], oracle.taps["embeddings"])
    assert np.abs(steps.taps["layer.0"] - oracle.taps["layer.0"]).max() > 0
    own = np.abs(steps.taps["layer.2"] - torch.taps["layer.2"]).max()
    accumulated = np.abs(oracle.taps["layer.2"] - torch.taps["layer.2"]).max()
    assert own < accumulated


def test_a_given_trace_must_be_of_the_same_inputs_and_for_a_reference(
    tmp_path: Path, golden_batches: dict[Path, Path], converted: dict[Path, Path]
) -> None:
    inputs = golden_batches[ERF]
    run(ERF, inputs, tmp_path / "oracle", "oracle")
    with pytest.raises(ParityError, match="only a reference can be given"):
        run(converted[ERF], inputs, tmp_path / "out", "torch:eager", given=tmp_path / "oracle")
    batch = only(tmp_path / "oracle")
    other = TraceBatch(batch.taps, {**batch.inputs, "input_ids": batch.inputs["input_ids"] ^ 1}, batch.meta)
    write_batch(batch_path(tmp_path / "other", 0), other)
    with pytest.raises(ParityError, match="input_ids differs"):
        run(ERF, inputs, tmp_path / "out", "oracle", given=tmp_path / "other")


@pytest.mark.parametrize("head", ["mlm", "qa"])
def test_a_class_without_a_pooler_runs_though_its_folder_holds_one(tmp_path: Path, head: str) -> None:
    pytest.importorskip("torch", reason='pip install "parity[torch]"')
    convert_checkpoint(str(write_source(tmp_path / "source", head)), tmp_path / "made")
    np.savez(tmp_path / "inputs.npz", input_ids=np.array([[2, 9, 3]], np.int32))
    outcome = run(tmp_path / "made", tmp_path / "inputs.npz", tmp_path / "out", "torch:eager")
    assert outcome.ok
    assert list(outcome.unavailable) == ["pooler"]
    assert f"logits.{head}" in only(tmp_path / "out").taps
