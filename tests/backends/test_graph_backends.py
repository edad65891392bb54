"""OpenVINO and ONNX Runtime alike: the taps of the model they were exported from, tapped and as shipped."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.backends import graphs
from parity.backends.job import Job
from parity.errors import ParityError
from parity.testing import BackendContract
from parity.traces import TraceBatch, read_batch, write_batch

from .graph_models import tiny

RUNTIMES = ("openvino:f32", "onnxruntime")
FILES = {"openvino": "openvino_model.xml", "onnxruntime": "model.onnx"}
TAPS = ("embeddings", "layer.0", "layer.1", "pooler", "logits.mlm", "logits.nsp")
FINE = ("layer.1.attention.query", "layer.1.attention.probs", "layer.0.intermediate", "layer.0.output")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Both graphs of a model with pre-training heads beside its Hugging Face files."""
    return both(tiny.write_folder(tmp_path_factory.mktemp("pretraining"), "BertForPreTraining"))


def both(folder: Path) -> Path:
    for kind in ("openvino", "onnx"):
        importlib.import_module(f"parity.artifacts.{kind}").export(folder, folder)
    return folder


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> tuple[Path, ...]:
    root = tmp_path_factory.mktemp("batches")
    written = []
    for number, (rows, length) in enumerate(((4, 9), (1, 5), (2, 16))):
        arrays = {name: array.astype(np.int32) for name, array in tiny.batch(rows, length).items()}
        arrays["logit_positions"] = np.asarray([np.flatnonzero(row)[[0, -1, 0]] for row in arrays["attention_mask"]])
        arrays["logit_positions"] = arrays["logit_positions"].astype(np.int32)
        written.append(root / f"in-{number}.safetensors")
        write_batch(written[-1], TraceBatch({}, arrays, {}))
    return tuple(written)


def job(runtime: str, artifact: Path, batches: tuple[Path, ...] = (), **fields: Any) -> Job:
    backend, _, variant = runtime.partition(":")
    given = {"taps": TAPS, "head": "pretraining", "threads": 2, **fields}
    return Job(
        backend=backend, variant=variant, family="bert", artifact=artifact, inputs=batches, out=artifact, **given
    )


def opened(one: Job) -> Any:
    return importlib.import_module(f"parity.backends.{one.backend}").open(one)


def answer(one: Job, path: Path) -> dict[str, np.ndarray]:
    backend = opened(one)
    try:
        return dict(backend.run(read_batch(path).inputs, texts=None))
    finally:
        backend.close()


def expected(folder: Path, path: Path) -> dict[str, np.ndarray]:
    """What PyTorch answers, under the names of taps."""
    inputs = {name: array.astype(np.int64) for name, array in read_batch(path).inputs.items()}
    found = tiny.eager(folder, inputs)
    chosen = inputs["logit_positions"][..., None]
    found["logits.mlm"] = np.take_along_axis(found.get("prediction_logits", found.get("logits")), chosen, axis=1)
    found["logits.nsp"] = found.get("seq_relationship_logits")
    return found


class TestOpenvino(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, folder, paths):
        return job("openvino:f32", folder, paths)


class TestOpenvinoShipped(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, folder, paths):
        return job("openvino:f32", folder, paths, settings={"shipped": "1"})


class TestOnnxruntime(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, folder, paths):
        return job("onnxruntime", folder, paths)


class TestOnnxruntimeShipped(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, folder, paths):
        return job("onnxruntime", folder, paths, settings={"shipped": "1"})


def assert_close(got: np.ndarray, wanted: np.ndarray, limit: float = 1e-5) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == np.float32
    assert np.abs(got - wanted).max() <= limit * np.abs(wanted).max()


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("runtime", [*RUNTIMES, "onnxruntime:none", "openvino:default"])
def test_taps_are_those_of_the_model(runtime, number, folder, paths):
    limit = 1e-5 if described(runtime, folder)["precision"] == "float32" else 0.1
    got, wanted = answer(job(runtime, folder), paths[number]), expected(folder, paths[number])
    assert sorted(got) == sorted(TAPS)
    for tap, value in got.items():
        assert_close(value, wanted[tap], limit)


def described(runtime: str, folder: Path, **fields: Any) -> dict[str, str]:
    backend = opened(job(runtime, folder, **fields))
    try:
        return dict(backend.describe())
    finally:
        backend.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_fine_taps_are_values_of_the_graph(runtime, folder, paths):
    got = answer(job(runtime, folder, taps=(*FINE, "layer.1")), paths[0])
    rows, length = 4, 9
    shapes = {name: value.shape for name, value in got.items()}
    assert shapes == {
        "layer.1.attention.query": (rows, length, 20),
        "layer.1.attention.probs": (rows, 4, length, length),
        "layer.0.intermediate": (rows, length, 28),
        "layer.0.output": (rows, length, 20),
        "layer.1": (rows, length, 20),
    }
    np.testing.assert_allclose(got["layer.1.attention.probs"].sum(-1), 1, rtol=1e-5)
    weights = tiny.weights("BertForPreTraining")
    scope = "bert.encoder.layer.0.output.dense"
    wanted = got["layer.0.intermediate"] @ weights[f"{scope}.weight"].T + weights[f"{scope}.bias"]
    assert_close(got["layer.0.output"], wanted)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_shipped_graph_agrees_with_its_twin(runtime, folder, paths):
    twin = answer(job(runtime, folder), paths[0])
    shipped = answer(job(runtime, folder, settings={"shipped": "1"}), paths[0])
    assert sorted(shipped) == ["layer.1", "logits.mlm", "logits.nsp", "pooler"]
    for tap, value in shipped.items():
        assert_close(value, twin[tap], 1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_a_graph_cannot_show_has_a_reason(runtime, folder):
    taps = (*TAPS, "layer.2", "logits.qa", "logits.classifier")
    twin = opened(job(runtime, folder, taps=taps))
    assert set(twin.unavailable()) == {"layer.2", "logits.qa", "logits.classifier"}
    shipped = opened(job(runtime, folder, taps=taps, settings={"shipped": "1"}))
    assert set(shipped.unavailable()) == {"layer.2", "logits.qa", "logits.classifier", "embeddings", "layer.0"}
    assert "no output" in shipped.unavailable()["layer.0"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_graph_that_can_show_nothing_asked_for_says_so(runtime, folder, paths):
    backend = opened(job(runtime, folder, taps=("layer.9",)))
    assert set(backend.unavailable()) == {"layer.9"}
    assert backend.run(read_batch(paths[0]).inputs, texts=None) == {}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_taps_that_ship_are_had_from_the_file_untouched(runtime, folder):
    assert described(runtime, folder, taps=("layer.1", "pooler", "logits.nsp"))["graph"] == "shipped"
    assert described(runtime, folder, taps=("layer.0", "pooler"))["graph"] == "tapped"
    assert described(runtime, folder, taps=("logits.mlm",))["graph"] == "tapped"


HEADS = {
    "BertForQuestionAnswering": ("logits.qa", lambda found: np.stack([found["start_logits"], found["end_logits"]], -1)),
    "BertForSequenceClassification": ("logits.classifier", lambda found: found["logits"]),
    "BertForTokenClassification": ("logits.tokens", lambda found: found["logits"]),
    "BertForMultipleChoice": ("logits.classifier", lambda found: found["logits"]),
    "BertForNextSentencePrediction": ("logits.nsp", lambda found: found["logits"]),
    "BertForMaskedLM": ("logits.mlm", lambda found: found["logits.mlm"]),
}


@pytest.mark.parametrize("shipped", ["0", "1"])
@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_head_is_shown(runtime, name, shipped, paths, tmp_path):
    folder = both(tiny.write_folder(tmp_path / "hf", name))
    tap, wanted = HEADS[name]
    one = job(runtime, folder, taps=("layer.1", "pooler", tap), settings={"shipped": shipped})
    got = answer(one, paths[0])
    inputs = {key: array.astype(np.int64) for key, array in read_batch(paths[0]).inputs.items()}
    found = tiny.eager(folder, inputs)
    if name == "BertForMaskedLM":
        found["logits.mlm"] = np.take_along_axis(found["logits"], inputs["logit_positions"][..., None], axis=1)
    assert ("pooler" in got) == ("pooler" in found)
    assert_close(got[tap], wanted(found))
    assert_close(got["layer.1"], found["layer.1"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_mask_and_segments_may_be_left_out(runtime, folder, paths):
    inputs = dict(read_batch(paths[1]).inputs)
    backend = opened(job(runtime, folder, taps=("layer.0",)))
    given = {**inputs, "attention_mask": np.ones_like(inputs["input_ids"])}
    given["token_type_ids"] = np.zeros_like(inputs["input_ids"])
    bare = backend.run({"input_ids": inputs["input_ids"]}, texts=None)
    np.testing.assert_array_equal(bare["layer.0"], backend.run(given, texts=None)["layer.0"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_batch_without_positions_is_refused_where_they_are_needed(runtime, folder, paths):
    inputs = {name: array for name, array in read_batch(paths[0]).inputs.items() if name != "logit_positions"}
    for settings in ({}, {"shipped": "1"}):
        backend = opened(job(runtime, folder, settings=settings))
        with pytest.raises(ParityError, match="the batch has no logit_positions"):
            backend.run(inputs, texts=None)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_unknown_settings_and_variants_are_refused(runtime, folder):
    for settings in ({"shiped": "1"}, {"shipped": "yes"}):
        with pytest.raises(ParityError, match="does not know this setting"):
            opened(job(runtime, folder, settings=settings))
    with pytest.raises(ParityError, match="no variant 'int3'"):
        opened(replace(job(runtime, folder), variant="int3"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_broken_artifacts_are_refused_in_one_line(runtime, folder, tmp_path):
    name = FILES[runtime.partition(":")[0]]
    with pytest.raises(ParityError, match="no such file"):
        opened(job(runtime, tmp_path))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    weights = copy / ("openvino_model.bin" if name.endswith("xml") else name)
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ParityError, match="truncated") as caught:
        opened(job(runtime, copy))
    assert "\n" not in str(caught.value)
    (copy / name).write_text("no graph")
    with pytest.raises(ParityError, match="not a readable"):
        opened(job(runtime, copy))


def test_a_graph_with_other_inputs_is_refused():
    with pytest.raises(ParityError, match=r"other inputs.*got attention_mask, input_ids.*token_type_ids"):
        graphs.check_inputs(["input_ids", "attention_mask"], where="model.onnx")
