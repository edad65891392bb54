"""The Model Optimizer's lines as OpenVINO's documentation had them, on a graph with the original's node names."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from small_bert import GOLDENS

from parity.artifacts.legacy import Done, run_legacy
from parity.artifacts.legacy.optimizer import _inputs
from parity.artifacts.legacy.single import as_folder
from parity.artifacts.verify import verify
from parity.errors import ParityError

METAGRAPH = GOLDENS / "metagraph_bert"
"""Written by TensorFlow 1.15 from a graph with the original's node names."""
LENGTH, ROWS, WIDTH = 128, 50, 8
_RNG = np.random.default_rng(0)
WORDS = _RNG.normal(size=(ROWS, WIDTH)).astype(np.float32)
KERNEL = _RNG.normal(size=(WIDTH, WIDTH)).astype(np.float32)


def run(line: str, *, force: bool = False) -> Done:
    return run_legacy(shlex.split(line), force=force)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bert_model.ckpt.meta` with its checkpoint, and `inference_graph.pb`: an iterator's batches, one output."""
    tensorflow = pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')
    pytest.importorskip("openvino", reason='pip install "parity[openvino]"')
    folder, tf = tmp_path_factory.mktemp("drawn"), tensorflow.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        batch = {"ids": np.zeros((1, LENGTH), np.int32), "mask": np.ones((1, LENGTH), np.int32)}
        fed = tf.data.make_one_shot_iterator(tf.data.Dataset.from_tensors(batch)).get_next()
        words = tf.get_variable("words", initializer=WORDS, use_resource=False)
        kernel = tf.get_variable("bert/pooler/dense/kernel", initializer=KERNEL, use_resource=False)
        hidden = tf.gather(words, fed["ids"]) * tf.cast(fed["mask"], tf.float32)[:, :, None]
        with tf.name_scope("bert/pooler/dense/"):
            tf.tanh(tf.matmul(tf.reduce_mean(hidden, 1), kernel), name="Tanh")
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(folder / "bert_model.ckpt"))
            constant = tf.graph_util.convert_variables_to_constants
            frozen = constant(session, graph.as_graph_def(), ["bert/pooler/dense/Tanh"])
    (folder / "inference_graph.pb").write_bytes(frozen.SerializeToString())
    return folder


def computed(xml: Path, rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """What the IR answers, and what it should."""
    import openvino

    ids = np.random.default_rng(1).integers(0, ROWS, (rows, length), np.int32)
    mask = np.ones((rows, length), np.int32)
    mask[:, length // 2 :] = 0
    core = openvino.Core()
    model = core.compile_model(str(xml), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = model([ids, mask])[model.output(0)]
    return answer, np.tanh((WORDS[ids] * mask[:, :, None]).mean(1) @ KERNEL)


def test_the_frozen_graph_of_the_reshapeable_recipe(drawn: Path, tmp_path: Path) -> None:
    done = run(
        f"""python3 ./mo_tf.py \\
  --input_model {drawn}/inference_graph.pb \\
  --input "IteratorGetNext:0{{i32}}[1 128],IteratorGetNext:1{{i32}}[1 128]" \\
  --disable_nhwc_to_nchw --output_dir {tmp_path}/ir"""
    )
    names = ("inference_graph.xml", "inference_graph.bin", "inference_graph.conversion.json")
    assert done.made == tuple(tmp_path / "ir" / name for name in names)
    assert {path.name for path in (tmp_path / "ir").iterdir()} == set(names)
    assert [line for line in done.said if line.startswith("--disable_nhwc_to_nchw is without effect")]
    assert "--to openvino --from-graph --input 'IteratorGetNext:0{i32}[1 128]," in done.modern
    answer, expected = computed(tmp_path / "ir" / "inference_graph.xml", 1, LENGTH)
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    with as_folder(tmp_path / "ir" / "inference_graph.xml") as folder:
        assert verify(folder).tensors == 2


def test_the_metagraph_with_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')
    openvino = pytest.importorskip("openvino", reason='pip install "parity[openvino]"')
    monkeypatch.chdir(tmp_path)
    line = f"""python3 ./mo_tf.py \\
--input_meta_graph {METAGRAPH}/bert_model.ckpt.meta \\
--output bert/pooler/dense/Tanh \\
--disable_nhwc_to_nchw \\
--input Placeholder{{i32}},Placeholder_1{{i32}},Placeholder_2{{i32}}"""
    run(line)
    xml, golden = tmp_path / "bert_model.ckpt.xml", np.load(METAGRAPH / "golden.npz")
    assert {path.suffix for path in tmp_path.iterdir()} == {".xml", ".bin", ".json"}
    core = openvino.Core()
    model = core.compile_model(str(xml), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = model([golden[name].astype(np.int32) for name in ("input_ids", "input_mask", "segment_ids")])
    np.testing.assert_allclose(answer[model.output(0)], golden["pooled_output"], atol=1e-5)
    with as_folder(xml) as folder:
        assert verify(folder, source=METAGRAPH).source_tensors == 39
    before = xml.read_bytes()
    with pytest.raises(ParityError, match=r"bert_model.ckpt.xml is already there"):
        run(line)
    assert xml.read_bytes() == before


def test_weights_of_half_the_size_replace_others_only_by_force(drawn: Path, tmp_path: Path) -> None:
    line = (
        f"mo --input_meta_graph={drawn}/bert_model.ckpt.meta --output bert/pooler/dense/Tanh -o {tmp_path} -n small "
        "--input IteratorGetNext{i32},IteratorGetNext:1{i32} --data_type FP16"
    )
    (tmp_path / "small.bin").write_text("mine")
    with pytest.raises(ParityError, match=r"small.bin is already there"):
        run(line)
    run(line, force=True)
    assert 4 < (tmp_path / "small.bin").stat().st_size < WORDS.nbytes


def test_shapes_of_their_own_go_to_the_names_in_order() -> None:
    given = {"inputs": "IteratorGetNext:0{i32},Placeholder", "shapes": "[1,128],(1, 64)"}
    assert _inputs(given) == "IteratorGetNext:0{i32}[1 128],Placeholder[1 64]"
    assert _inputs({"inputs": "a[1 2],b"}) == "a[1 2],b"
    assert _inputs({}) is None


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"shapes": "[1]"}, "name them with --input"),
        ({"inputs": "a,b", "shapes": "[1]"}, "expected 2 shapes"),
        ({"inputs": "a", "shapes": "1,128"}, "does not fit --input"),
        ({"inputs": "a[1]", "shapes": "[1]"}, "leave --input_shape out"),
    ],
)
def test_shapes_that_fit_no_names_are_refused(given: dict[str, str], part: str) -> None:
    with pytest.raises(ParityError) as caught:
        _inputs(given)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ("--output x", "no model is named (expected --input_meta_graph FILE.meta or --input_model FILE.pb)"),
        ("--input_model {pb} --input_meta_graph {pb}", "takes one model"),
        ("--input_model {pb} --framework caffe", "only TensorFlow's graphs are converted (got --framework caffe)"),
        ("--input_model {pb} --data_type FP8", "unknown --data_type (got FP8"),
        ("--input_model {pb} --model_name a/b", "name the folder with --output_dir"),
        ("--input_model {pb} --batch 2", "write the sizes in --input"),
        ("--input_model {pb}.absent", "there is no such file"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path: Path, options: str, part: str) -> None:
    (tmp_path / "g.pb").write_bytes(b"")
    with pytest.raises(ParityError) as caught:
        run(f"mo {options.format(pb=tmp_path / 'g.pb')} --output_dir {tmp_path}/out")
    assert part in str(caught.value)
    assert not (tmp_path / "out").exists()
