"""Graphs with resource variables, as later TensorFlow 1 and TensorFlow 2 draw them; and graphs that are no BERT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')
ov = pytest.importorskip("openvino", reason='pip install "parity[openvino]"')

from parity.artifacts.tfgraph.convert import convert_graph  # noqa: E402
from parity.artifacts.verify import verify  # noqa: E402
from parity.errors import ParityError  # noqa: E402

RNG = np.random.default_rng(4)
WORDS, KERNEL = RNG.normal(size=(9, 4)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lookup, a product and a dropout of TensorFlow 2 on resource variables."""
    folder, tf = tmp_path_factory.mktemp("resources"), tensorflow.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        ids = tf.placeholder(tf.int64, [None, None], name="ids")
        words = tf.get_variable("words", initializer=WORDS, use_resource=True)
        kernel = tf.get_variable("kernel", initializer=KERNEL, use_resource=True)
        step = tf.get_variable("step", initializer=np.int64(3), use_resource=True)
        x = tensorflow.nn.dropout(tf.nn.embedding_lookup(words, ids), rate=0.25)
        tf.identity(tensorflow.linalg.matmul(tf.reduce_mean(x, 1), kernel.read_value()), name="out")
        tf.assign_add(step, 1)
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(folder / "model.ckpt"))
    return folder


def test_reading_a_resource_becomes_a_constant(drawn: Path, tmp_path: Path) -> None:
    proof = convert_graph(drawn, tmp_path / "ir", outputs="out")
    ids = RNG.integers(0, 9, (3, 5))
    compiled = ov.Core().compile_model(
        str(tmp_path / "ir" / "openvino_model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    np.testing.assert_allclose(compiled([ids])[0], WORDS[ids].mean(1) @ KERNEL, atol=1e-5)
    assert proof.family == "graph"
    assert len(proof.notes["dropouts_taken_out"]) == 1
    assert [line.source for line in proof.tensors] == ["kernel", "words"]
    assert [(line.source, line.reason) for line in proof.dropped] == [("step", "not needed by the outputs")]
    verify(tmp_path / "ir", source=drawn)


def test_outputs_of_a_graph_that_is_no_bert_must_be_named(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="nothing tells which outputs are meant; name them with --output"):
        convert_graph(drawn, tmp_path / "ir")


def test_a_resource_itself_is_no_output(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError):
        convert_graph(drawn, tmp_path / "ir", outputs="AssignAddVariableOp")
    assert not (tmp_path / "ir").exists()
