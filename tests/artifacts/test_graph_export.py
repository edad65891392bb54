"""Exported graphs against PyTorch's eager model: every class, shape and mask; and what the files hold."""

from __future__ import annotations

import hashlib
import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import graph_folders as tiny
import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest

from parity.artifacts.graph_constants import ir_constants, onnx_constants

KINDS = ("openvino", "onnx")
FILES = {"openvino": "openvino_model.xml", "onnx": "model.onnx"}
Run = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def export(kind: str, folder: Path, out: Path, **options) -> Path:
    out.mkdir(parents=True)
    importlib.import_module(f"parity.artifacts.{kind}").export(folder, out, **options)
    return out / FILES[kind]


def opened(kind: str, path: Path) -> Run:
    """The shipped file in its own runtime, one thread, as any user would run it."""
    if kind == "onnx":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda inputs: dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True))
    model = openvino.Core().read_model(path)
    names = [result.get_friendly_name() for result in model.get_results()]
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.compile_model(model, "CPU", exact)
    return lambda inputs: dict(zip(names, compiled(inputs).values(), strict=True))


def assert_close(got: np.ndarray, expected: np.ndarray, limit: float = 1e-5) -> None:
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() <= limit * np.abs(expected).max()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    return {name: tiny.write_folder(root / name, name) for name in tiny.CLASSES}


@pytest.fixture(scope="module")
def pretraining(folders, tmp_path_factory):
    root = tmp_path_factory.mktemp("graphs")
    return {kind: export(kind, folders["BertForPreTraining"], root / kind) for kind in KINDS}


SHIPPED = {
    "BertModel": ["last_hidden_state", "pooler_output"],
    "BertForPreTraining": ["last_hidden_state", "pooler_output", "prediction_logits", "seq_relationship_logits"],
    "BertForMaskedLM": ["last_hidden_state", "logits"],
    "BertLMHeadModel": ["last_hidden_state", "logits"],
    "BertForNextSentencePrediction": ["last_hidden_state", "pooler_output", "logits"],
    "BertForSequenceClassification": ["last_hidden_state", "pooler_output", "logits"],
    "BertForTokenClassification": ["last_hidden_state", "logits"],
    "BertForMultipleChoice": ["last_hidden_state", "pooler_output", "logits"],
    "BertForQuestionAnswering": ["last_hidden_state", "start_logits", "end_logits"],
}


@pytest.mark.parametrize("name", tiny.CLASSES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_class_ships_its_outputs_and_computes_what_pytorch_computes(kind, name, folders, tmp_path):
    inputs = tiny.batch()
    got = opened(kind, export(kind, folders[name], tmp_path / "out"))(inputs)
    expected = tiny.eager(folders[name], inputs)
    assert list(got) == SHIPPED[name]
    for output, value in got.items():
        assert_close(value, expected[output])


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh", "relu", "tanh", "linear"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_activation_is_that_of_pytorch(kind, activation, tmp_path):
    folder = tiny.write_folder(tmp_path / "hf", "BertForMaskedLM", hidden_act=activation)
    got = opened(kind, export(kind, folder, tmp_path / "out"))(tiny.batch())
    expected = tiny.eager(folder, tiny.batch())
    for output, value in got.items():
        assert_close(value, expected[output])


@pytest.mark.parametrize("kind", KINDS)
def test_batch_and_length_are_free_after_one_load(kind, folders, pretraining):
    run, longest = opened(kind, pretraining[kind]), tiny.CONFIG["max_position_embeddings"]
    for rows, length in ((1, 1), (3, 7), (4, longest), (2, 1), (1, longest)):
        inputs = tiny.batch(rows, length, seed=rows * 100 + length)
        expected = tiny.eager(folders["BertForPreTraining"], inputs)
        for output, value in run(inputs).items():
            assert_close(value, expected[output])


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_visible_token_stays_finite(kind, folders, pretraining):
    inputs = tiny.batch(2, 5)
    inputs["attention_mask"][1] = 0
    expected = tiny.eager(folders["BertForPreTraining"], inputs)
    assert_close(opened(kind, pretraining[kind])(inputs)["last_hidden_state"], expected["last_hidden_state"])


@pytest.mark.parametrize("kind", KINDS)
def test_more_tokens_than_positions_are_refused_not_wrapped(kind, pretraining):
    run = opened(kind, pretraining[kind])
    with pytest.raises(Exception, match=r"(?i)broadcast|dimension|shape"):
        run(tiny.batch(1, tiny.CONFIG["max_position_embeddings"] + 1))


@pytest.mark.parametrize("changed", ["attention_mask", "token_type_ids"])
@pytest.mark.parametrize("kind", KINDS)
def test_mask_and_segments_reach_the_graph(kind, changed, pretraining):
    run, inputs = opened(kind, pretraining[kind]), tiny.batch()
    flipped = run({**inputs, changed: 1 - inputs[changed]})["last_hidden_state"]
    assert np.abs(flipped - run(inputs)["last_hidden_state"]).max() > 1e-2


def test_onnx_inputs_are_named_ordered_and_free(pretraining):
    model = onnx.load(pretraining["onnx"])
    onnx.checker.check_model(model, full_check=True)
    declared = [
        (value.name, value.type.tensor_type.elem_type, [axis.dim_param for axis in value.type.tensor_type.shape.dim])
        for value in model.graph.input
    ]
    names = ("input_ids", "attention_mask", "token_type_ids")
    assert declared == [(name, onnx.TensorProto.INT64, ["batch", "sequence"]) for name in names]


def test_openvino_inputs_are_named_ordered_free_and_reshapable(pretraining):
    model = openvino.Core().read_model(pretraining["openvino"])
    assert [port.get_any_name() for port in model.inputs] == ["input_ids", "attention_mask", "token_type_ids"]
    assert {(str(port.get_partial_shape()), port.get_element_type().get_type_name()) for port in model.inputs} == {
        ("[?,1..16]", "i64")
    }
    model.reshape({port.get_any_name(): [2, 7] for port in model.inputs})
    assert [list(port.get_shape()) for port in model.outputs] == [[2, 7, 20], [2, 20], [2, 7, 53], [2, 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_two_exports_are_the_same_bytes(kind, folders, pretraining, tmp_path):
    again = export(kind, folders["BertForPreTraining"], tmp_path / "again").parent
    first = pretraining[kind].parent
    assert sorted(p.name for p in again.iterdir()) == sorted(p.name for p in first.iterdir())
    for path in again.iterdir():
        assert path.read_bytes() == (first / path.name).read_bytes(), path.name


def constants(kind: str, path: Path):
    return list((ir_constants if kind == "openvino" else onnx_constants)(path))


def vocabularies(kind: str, path: Path) -> int:
    size = tiny.CONFIG["vocab_size"]
    return sum(size in constant.shape and len(constant.shape) == 2 for constant in constants(kind, path))


@pytest.mark.parametrize("kind", KINDS)
def test_a_tied_vocabulary_is_stored_once(kind, pretraining, tmp_path):
    assert vocabularies(kind, pretraining[kind]) == 1
    arrays = tiny.weights("BertForMaskedLM")
    arrays["cls.predictions.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"].copy()
    arrays["cls.predictions.decoder.bias"] = arrays["cls.predictions.bias"].copy()
    folder = tiny.write_folder(tmp_path / "copies", "BertForMaskedLM", arrays)
    assert vocabularies(kind, export(kind, folder, tmp_path / "out")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_untied_vocabulary_is_used_as_it_is(kind, tmp_path):
    arrays = tiny.weights("BertForMaskedLM")
    arrays["cls.predictions.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"][::-1].copy()
    folder = tiny.write_folder(tmp_path / "hf", "BertForMaskedLM", arrays, tie_word_embeddings=False)
    path = export(kind, folder, tmp_path / "out")
    assert vocabularies(kind, path) == 2
    assert_close(opened(kind, path)(tiny.batch())["logits"], tiny.eager(folder, tiny.batch())["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_weights_are_widened_exactly(kind, tmp_path):
    narrow = {
        name: array.astype(np.float16 if number % 2 else ml_dtypes.bfloat16)
        for number, (name, array) in enumerate(tiny.weights("BertModel").items())
    }
    wide = {name: array.astype(np.float32) for name, array in narrow.items()}
    paths = [
        export(kind, tiny.write_folder(tmp_path / which, "BertModel", arrays), tmp_path / f"{which}-out")
        for which, arrays in (("narrow", narrow), ("wide", wide))
    ]
    assert constants(kind, paths[0]) == constants(kind, paths[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_pytorch_bin_gives_the_same_graph(kind, folders, pretraining, tmp_path):
    import torch

    folder = tmp_path / "hf"
    folder.mkdir()
    shutil.copy(folders["BertForPreTraining"] / "config.json", folder)
    state = {name: torch.from_numpy(array) for name, array in tiny.weights("BertForPreTraining").items()}
    torch.save(state, folder / "pytorch_model.bin")
    assert constants(kind, export(kind, folder, tmp_path / "out")) == constants(kind, pretraining[kind])


def test_fp16_compression_halves_the_weights_and_only_them(folders, pretraining, tmp_path):
    path = export("openvino", folders["BertForPreTraining"], tmp_path / "half", compress="fp16")
    assert path.with_suffix(".bin").stat().st_size < 0.6 * pretraining["openvino"].with_suffix(".bin").stat().st_size
    held = {constant.sha256 for constant in constants("openvino", path)}
    for name, array in tiny.weights("BertForPreTraining").items():
        assert hashlib.sha256(array.astype(np.float16).tobytes()).hexdigest() in held, name
    inputs = tiny.batch()
    full, half = (opened("openvino", p)(inputs)["last_hidden_state"] for p in (pretraining["openvino"], path))
    assert 0 < np.abs(full - half).max() < 2e-2


def test_onnx_puts_large_weights_into_a_file_beside(folders, pretraining, tmp_path):
    path = export("onnx", folders["BertForPreTraining"], tmp_path / "large", single_file=1000)
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
    onnx.checker.check_model(str(path), full_check=True)
    assert {c.sha256 for c in constants("onnx", path)} == {c.sha256 for c in constants("onnx", pretraining["onnx"])}
    inputs = tiny.batch()
    expected = opened("onnx", pretraining["onnx"])(inputs)
    for name, value in opened("onnx", path)(inputs).items():
        np.testing.assert_array_equal(value, expected[name])
