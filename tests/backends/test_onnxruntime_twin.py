"""The twin of an ONNX file: the shipped nodes, and weights that are the shipped file's own bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from parity.artifacts.onnx import export
from parity.backends import onnxruntime as backend
from parity.backends.job import Job
from parity.graphfile import onnx_file

from .graph_models import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tiny.write_folder(tmp_path_factory.mktemp("model"), "BertForPreTraining")
    export(made, made)
    return made


def twin(folder: Path, *taps: str) -> onnx.ModelProto:
    file = onnx_file(folder / backend.FILE)
    return onnx.ModelProto.FromString(backend._twin(onnx.ModelProto.FromString(file.skeleton), file, taps))


def test_its_nodes_are_the_shipped_ones(folder):
    shipped = {node.name: node for node in onnx.load(folder / backend.FILE).graph.node}
    nodes = twin(folder, "layer.0", "layer.1", "logits.nsp").graph.node
    assert len(nodes) > 60
    assert all(node == shipped[node.name] for node in nodes)


def test_its_weights_point_into_the_shipped_file(folder):
    path = folder / backend.FILE
    shipped = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    whole = path.read_bytes()
    pointing = 0
    for tensor in twin(folder, "layer.1", "logits.mlm").graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            entry = {item.key: item.value for item in tensor.external_data}
            start, length = int(entry["offset"]), int(entry["length"])
            assert entry["location"] == backend.FILE
            assert whole[start : start + length] == shipped[tensor.name].raw_data
            pointing += 1
        else:
            assert len(tensor.raw_data) <= backend._INLINE
            assert tensor == shipped[tensor.name]
    assert pointing > 10


def test_it_computes_only_what_is_asked_for(folder):
    produced = {name for node in twin(folder, "layer.0").graph.node for name in node.output}
    assert "layer.0" in produced
    assert not {"layer.1", "pooler", "logits.mlm", "mlm.transform"} & produced


def test_vocabulary_logits_are_gathered_before_the_product(folder):
    model = twin(folder, "logits.mlm", "layer.1")
    readers = [node.op_type for node in model.graph.node if "mlm.transform" in node.input]
    assert readers == ["GatherND"]
    assert [value.name for value in model.graph.input][-1] == "logit_positions"


def test_weights_beside_the_file_are_pointed_at(folder, tmp_path):
    export(folder, tmp_path, single_file=0)
    places = {item.value for tensor in twin(tmp_path, "layer.1").graph.initializer for item in tensor.external_data}
    assert "model.onnx.data" in places
    inputs = tiny.batch()
    answers = [
        backend.open(
            Job(
                backend="onnxruntime",
                family="bert",
                head="pretraining",
                artifact=where,
                taps=("layer.0",),
                inputs=(),
                out=where,
            )
        ).run(inputs, texts=None)["layer.0"]
        for where in (folder, tmp_path)
    ]
    np.testing.assert_array_equal(*answers)
