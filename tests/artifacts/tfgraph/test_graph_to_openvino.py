"""--from-graph: TensorFlow 1.15's own files, which OpenVINO refuses as they are, become IRs that compute the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')
ov = pytest.importorskip("openvino", reason='pip install "parity[openvino]"')

from graphs import BERT, FROZEN, META, TANH, TRAIN, changed, golden, node, put_before  # noqa: E402

from parity.artifacts.proof import Proof  # noqa: E402
from parity.artifacts.tfgraph.convert import convert_graph  # noqa: E402
from parity.artifacts.verify import verify  # noqa: E402
from parity.errors import BrokenParity, ParityError  # noqa: E402

RECIPE = "IteratorGetNext:0{i32}[1 16],IteratorGetNext:1{i32}[1 16],IteratorGetNext:4{i32}[1 16]"


def run(folder: Path, *arrays: np.ndarray) -> list[np.ndarray]:
    """Outputs of an IR, its inputs in order."""
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(str(folder / "openvino_model.xml"), "CPU", exact)
    answer = compiled(list(arrays))
    return [np.array(answer[number]) for number in range(len(compiled.outputs))]


def names(folder: Path) -> tuple[list[set[str]], list[set[str]]]:
    model = ov.Core().read_model(str(folder / "openvino_model.xml"))
    return [port.get_names() for port in model.inputs], [port.get_names() for port in model.outputs]


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Proof]:
    out = tmp_path_factory.mktemp("inference") / "ir"
    return out, convert_graph(BERT, out)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Proof]:
    out = tmp_path_factory.mktemp("training") / "ir"
    return out, convert_graph(BERT, out, graph=TRAIN)


def test_openvino_refuses_the_file_as_it_is() -> None:
    with pytest.raises(Exception, match="Assign operation expects variable"):
        ov.Core().read_model(str(META))


def test_the_inference_graph_takes_any_size_and_computes_what_tensorflow_did(inference: tuple[Path, Proof]) -> None:
    folder, proof = inference
    kept = golden()
    fed = [kept[name] for name in ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")]
    hidden, pooled, masked, following = run(folder, *fed)
    np.testing.assert_allclose(hidden, kept["layer_1"].reshape(hidden.shape), atol=2e-5)
    np.testing.assert_allclose(pooled, kept["pooled_output"], atol=2e-5)
    np.testing.assert_allclose(masked, kept["mlm_logits"].reshape(masked.shape), atol=2e-5)
    np.testing.assert_allclose(following, kept["nsp_logits"], atol=2e-5)
    short = run(folder, *(array[:1, :4] for array in fed))[1]
    assert short.shape == (1, 32)
    assert proof.notes["sizes"] == "every size free"
    assert all(value < 1e-5 for value in proof.notes["beside_tensorflow"].values())
    inputs, outputs = names(folder)
    assert inputs[:2] == [{"Placeholder", "Placeholder:0"}, {"Placeholder_1", "Placeholder_1:0"}]
    assert {TANH, f"{TANH}:0"} <= outputs[1]


def test_every_variable_is_proved(inference: tuple[Path, Proof]) -> None:
    folder, proof = inference
    assert len(proof.tensors) == 46
    assert (proof.family, proof.notes["names"]) == ("graph", "bert")
    assert not proof.dropped
    assert not proof.assumptions
    assert (proof.activation, proof.epsilon, proof.notes["drawn_by"]) == ("gelu_erf", pytest.approx(1e-12), "1.15.5")
    found = verify(folder, source=BERT)
    assert (found.tensors, found.source_tensors) == (46, 46)


def test_a_changed_weight_breaks_the_proof(inference: tuple[Path, Proof], tmp_path: Path) -> None:
    copy = shutil.copytree(inference[0], tmp_path / "ir")
    data = bytearray((copy / "openvino_model.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "openvino_model.bin").write_bytes(bytes(data))
    with pytest.raises(BrokenParity, match=r"none of the graph's constants|was changed since"):
        verify(copy)


def test_lengths_end_where_the_table_of_positions_does(inference: tuple[Path, Proof]) -> None:
    model = ov.Core().read_model(str(inference[0] / "openvino_model.xml"))
    length = model.inputs[0].partial_shape[1]
    assert (length.get_min_length(), length.get_max_length()) == (1, 24)


def test_a_training_graph_keeps_its_size_loses_its_dropout_and_says_both(training: tuple[Path, Proof]) -> None:
    folder, proof = training
    kept = golden()
    rows, length = kept["input_ids"].shape
    fed = [
        np.pad(kept[name], ((0, 4 - rows), (0, 16 - length)), mode="constant")
        for name in ("input_ids", "input_mask", "segment_ids")
    ]
    places = np.pad(kept["masked_lm_positions"], ((0, 1), (0, 1)))
    pooled = run(folder, fed[0], fed[1], places, fed[2])[1]
    np.testing.assert_allclose(pooled[:rows], kept["pooled_output"], atol=2e-5)
    assert proof.notes["sizes"] == "as declared"
    assert len(proof.notes["dropouts_taken_out"]) == 7
    assert [line for line in proof.assumptions if line.startswith("sizes are kept as drawn")]
    assert proof.notes["left_out"]["ApplyAdam"] == 46
    assert len(proof.tensors) == 46
    verify(folder, source=BERT)


def test_the_frozen_graph_by_the_recipe_and_without(tmp_path: Path) -> None:
    kept = golden()
    by_recipe = convert_graph(FROZEN, tmp_path / "recipe", inputs=RECIPE)
    free = convert_graph(FROZEN, tmp_path / "free")
    assert by_recipe.notes["outputs"] == free.notes["outputs"] == ["loss/Softmax:0"]
    assert by_recipe.notes["sizes"] == "as --input says"
    assert free.notes["sizes"] == "rows free, the other sizes as declared"
    fed = [np.pad(kept[name], ((0, 0), (0, 5))) for name in ("input_ids", "input_mask", "segment_ids")]
    (all_rows,) = run(tmp_path / "free", *fed)
    (one_row,) = run(tmp_path / "recipe", *(array[:1] for array in fed))
    assert all_rows.shape == (3, 3)
    np.testing.assert_allclose(one_row, all_rows[:1], atol=1e-6)
    assert "IteratorGetNext:4" in names(tmp_path / "recipe")[0][2]
    assert verify(tmp_path / "free").tensors == 41


def test_types_are_cast_where_the_graph_wants_others(tmp_path: Path) -> None:
    kept = golden()
    wide = "Placeholder{i64},Placeholder_1{i64},Placeholder_2{i64}"
    proof = convert_graph(BERT, tmp_path / "ir", inputs=wide, outputs=TANH, compress="fp16")
    assert proof.notes["inputs"]["Placeholder"] == "Placeholder:0 int64[? ?]"
    assert {line.target_dtype for line in proof.tensors} == {"float16"}
    assert {line.reason for line in proof.dropped} == {"not needed by the outputs"}
    fed = [kept[name].astype(np.int64) for name in ("input_ids", "input_mask", "segment_ids")]
    (pooled,) = run(tmp_path / "ir", *fed)
    np.testing.assert_allclose(pooled, kept["pooled_output"], atol=1e-2)
    verify(tmp_path / "ir", source=BERT)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (META, {"outputs": "nowhere"}, "no node nowhere; mend --output"),
        (META, {"inputs": "nowhere"}, "no node nowhere; mend --input"),
        (META, {"outputs": TANH, "inputs": "Placeholder_3"}, "do not depend on Placeholder_3:0"),
        (META, {"outputs": TANH, "inputs": "Placeholder"}, "need Placeholder_[12]:0 .Placeholder., which nobody feeds"),
        (META, {"outputs": f"{TANH}:7"}, "the graph has no output bert/pooler/dense/Tanh:7"),
        (META, {"compress": "int8"}, "cannot be stored so"),
        (FROZEN, {"inputs": RECIPE.replace("16", "12")}, "TensorFlow cannot import the graph: Cannot reshape"),
        (BERT / "vocab.txt", {}, "vocab.txt"),
        (TRAIN, {}, "its index file is missing"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    source: Path, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParityError, match=message):
        convert_graph(source, tmp_path / "ir", **options)
    assert not list(tmp_path.iterdir())


def test_a_graph_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    def wider(graph: Any) -> None:
        node(graph, "bert/pooler/dense/bias").attr["shape"].shape.dim[0].size = 33

    path = changed(META, tmp_path / "x.meta", wider)
    with pytest.raises(ParityError, match=r"pooler/dense/bias is another one in x.meta .got float32\[32\], expected"):
        convert_graph(BERT, tmp_path / "ir", graph=path)


def test_a_hostile_graph_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = changed(META, tmp_path / "x.meta", lambda graph: put_before(graph, TANH, "PyFunc"))
    with pytest.raises(ParityError, match="operation PyFunc"):
        convert_graph(BERT, tmp_path / "ir", graph=path)
    assert not (tmp_path / "ir").exists()


def test_what_only_tensorflow_can_tell_is_told_as_ours(tmp_path: Path) -> None:
    def ring(graph: Any) -> None:
        node(graph, "bert/pooler/dense/MatMul").input[0] = "bert/pooler/dense/BiasAdd"

    path = changed(META, tmp_path / "x.meta", ring)
    with pytest.raises(ParityError, match=r"TensorFlow cannot import the graph|which nobody feeds|do not depend"):
        convert_graph(BERT, tmp_path / "ir", graph=path, outputs=TANH)


def test_a_shape_without_axes_is_one_that_old_files_do_not_know(tmp_path: Path) -> None:
    def old(graph: Any) -> None:
        for name in ("Placeholder", "Placeholder_1", "Placeholder_2"):
            del node(graph, name).attr["shape"].shape.dim[:]
            if "_output_shapes" in node(graph, name).attr:
                del node(graph, name).attr["_output_shapes"]

    path = changed(META, tmp_path / "x.meta", old)
    proof = convert_graph(BERT, tmp_path / "ir", graph=path, outputs=TANH)
    assert proof.notes["inputs"]["Placeholder"] == "Placeholder:0 int32[? ?]"
