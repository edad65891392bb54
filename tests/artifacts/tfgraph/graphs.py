"""Graphs for tests: the ones TensorFlow 1.15 wrote, and changed or hostile ones made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from small_bert import GOLDENS

BERT = GOLDENS / "metagraph_bert"
META, TRAIN, FROZEN = BERT / "bert_model.ckpt.meta", BERT / "train.meta", BERT / "inference_graph.pb"
TANH = "bert/pooler/dense/Tanh"


def changed(source: Path, out: Path, change: Callable[[Any], None]) -> Path:
    """A copy of a `.meta` or `.pb` whose GraphDef was changed."""
    from tensorflow.core.framework import graph_pb2
    from tensorflow.core.protobuf import meta_graph_pb2

    if source.suffix == ".meta":
        meta = meta_graph_pb2.MetaGraphDef.FromString(source.read_bytes())
        change(meta.graph_def)
        out.write_bytes(meta.SerializeToString())
    else:
        graph = graph_pb2.GraphDef.FromString(source.read_bytes())
        change(graph)
        out.write_bytes(graph.SerializeToString())
    return out


def node(graph: Any, name: str) -> Any:
    """The node of that name."""
    return next(one for one in graph.node if one.name == name)


def put_before(graph: Any, name: str, op: str, **attributes: Any) -> Any:
    """A new node between a node and its first input."""
    after = node(graph, name)
    new = graph.node.add(name=f"put/{op}", op=op, input=[after.input[0]])
    for key, value in attributes.items():
        new.attr[key].CopyFrom(value)
    after.input[0] = new.name
    return new


def number(graph: Any, name: str, value: float) -> str:
    """A scalar constant."""
    new = graph.node.add(name=name, op="Const")
    new.attr["dtype"].type = 1
    new.attr["value"].tensor.dtype = 1
    new.attr["value"].tensor.tensor_shape.SetInParent()
    new.attr["value"].tensor.float_val.append(value)
    return name


def golden() -> dict[str, np.ndarray]:
    """What TensorFlow 1.15 was fed, and what it computed."""
    return dict(np.load(BERT / "golden.npz"))
