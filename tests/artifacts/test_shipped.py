"""Weights as shipped: read from the artifact under the source's names, and nothing but the format's own rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from small_bert import read_source, write_source

from parity.artifacts.convert import convert, derive
from parity.artifacts.shipped import read_shipped, write_shipped
from parity.artifacts.verify import verify
from parity.errors import BrokenParity, ParityError
from parity.models import resolve

WORDS = "bert/embeddings/word_embeddings"
KERNEL = "bert/encoder/layer_1/intermediate/dense/kernel"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("shipped")
    source = write_source(root / "source")
    convert(resolve(str(source)), root / "pytorch")
    found = {"source": source / "bert_model.ckpt", "pytorch": root / "pytorch"}
    for name, kind, options in (
        ("openvino", "openvino", {}),
        ("onnx", "onnx", {}),
        ("half", "openvino", {"compress": "fp16"}),
        ("steps", "openvino", {"compress": "int8"}),
        ("int8", "onnx", {"compress": "int8"}),
    ):
        found[name] = root / name
        found[name].mkdir()
        derive(root / "pytorch", found[name], to=kind, **options)
    return found


@pytest.mark.parametrize("name", ["pytorch", "openvino", "onnx"])
def test_float32_ships_the_source_itself(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    storage = write_shipped(folders[name], tmp_path, source=folders["source"])
    assert storage.exact
    assert set(storage.formats) == {"float32"}
    assert read_shipped(tmp_path) == {}


def test_half_precision_is_the_source_rounded(folders: dict[str, Path], tmp_path: Path) -> None:
    storage = write_shipped(folders["half"], tmp_path, source=folders["source"])
    source, shipped = read_source(folders["source"]), read_shipped(tmp_path)
    assert set(storage.formats) == {"float16"}
    assert {WORDS, KERNEL} <= set(shipped)
    for name, array in shipped.items():
        np.testing.assert_array_equal(array, source[name].astype(np.float16))


@pytest.mark.parametrize(("name", "dtypes"), [("steps", {"int8", "float32"}), ("int8", {"int8", "uint8", "float32"})])
def test_integers_are_proved_verified_and_within_half_a_step(
    name: str, dtypes: set[str], folders: dict[str, Path], tmp_path: Path
) -> None:
    verify(folders[name])
    storage = write_shipped(folders[name], tmp_path, source=folders["source"])
    source, shipped = read_source(folders["source"]), read_shipped(tmp_path)
    assert set(storage.formats) == dtypes
    assert KERNEL in shipped
    assert (WORDS in shipped) == (name == "int8")  # ONNX Runtime quantises what is looked up, too
    for tensor, array in shipped.items():
        steps = np.abs(source[tensor]).max() * 2 / 254
        assert 0 < np.abs(array - source[tensor]).max() <= 0.51 * steps, tensor


def test_tables_are_what_onnx_runtime_dequantises(folders: dict[str, Path], tmp_path: Path) -> None:
    write_shipped(folders["int8"], tmp_path, source=folders["source"])
    held = {one.name: one for one in onnx.load(folders["int8"] / "model.onnx").graph.initializer}
    table = "bert.embeddings.word_embeddings.weight"
    parts = [held[table + ending] for ending in ("_quantized", "_scale", "_zero_point")]
    node = helper.make_node("DequantizeLinear", [part.name for part in parts], ["y"])
    shown = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "one", [], [shown], initializer=parts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {})
    np.testing.assert_array_equal(read_shipped(tmp_path)[WORDS], expected)


def test_a_changed_scale_or_integer_is_no_rounding_of_the_source(folders: dict[str, Path], tmp_path: Path) -> None:
    for ending in ("_scale", "_quantized"):
        folder = tmp_path / ending
        folder.mkdir()
        model = onnx.load(folders["int8"] / "model.onnx")
        tensor = next(one for one in model.graph.initializer if one.name.endswith("query.weight" + ending))
        changed = numpy_helper.to_array(tensor).copy()
        changed[...] = changed * np.float32(1.02) if ending == "_scale" else np.roll(changed, 1)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
        onnx.save(model, folder / "model.onnx")
        (folder / "conversion.json").write_bytes((folders["int8"] / "conversion.json").read_bytes())
        with pytest.raises(BrokenParity, match=r"attention\.self\.query\.weight"):
            write_shipped(folder, tmp_path / "out", source=folders["source"])


def test_another_source_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    def moved(held: dict[str, np.ndarray]) -> None:
        held[KERNEL] = held[KERNEL] + np.float32(0.01)

    other = write_source(tmp_path / "other", change=moved) / "bert_model.ckpt"
    for name in ("half", "pytorch"):
        with pytest.raises(BrokenParity, match=f"is not {KERNEL} rounded"):
            write_shipped(folders[name], tmp_path / "out", source=other)


def test_a_folder_without_shipped_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no shipped weights here"):
        read_shipped(tmp_path)
