"""Where BERT's inputs and taps are in a graph of the original's: by node names, and by what reads which variable.

Names are those of google-research/bert (modeling.py, run_pretraining.py, run_classifier.py, run_squad.py) under
TensorFlow 1. Inputs are told by what they feed, not by their names or order: a placeholder and the sixth output of
an iterator are the same thing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.artifacts.tfgraph.operations import SOURCES
from parity.artifacts.tfgraph.ports import origin, readers
from parity.artifacts.tfgraph.reaching import reach
from parity.artifacts.tfgraph.reading import Graph, data_inputs
from parity.artifacts.tfgraph.spec import Port

WORDS = "bert/embeddings/word_embeddings"
TYPES = "bert/embeddings/token_type_embeddings"
POSITIONS = "bert/embeddings/position_embeddings"
_POOLER = "bert/pooler/dense/Tanh"
_NORM = "LayerNorm/batchnorm/add_1"
_LAYER = "bert/encoder/layer_{i}/"
_ATTENTION = _LAYER + "attention/"
_PLACES = {
    "embeddings": ("node", f"bert/embeddings/{_NORM}", "BTC"),
    "layer.{i}": ("node", f"{_LAYER}output/{_NORM}", "BTC"),
    "layer.{i}.attention.query": ("node", f"{_ATTENTION}self/query/BiasAdd", "BTC"),
    "layer.{i}.attention.key": ("node", f"{_ATTENTION}self/key/BiasAdd", "BTC"),
    "layer.{i}.attention.value": ("node", f"{_ATTENTION}self/value/BiasAdd", "BTC"),
    "layer.{i}.attention.scores": ("input", f"{_ATTENTION}self/Softmax", "BHTC"),
    "layer.{i}.attention.probs": ("node", f"{_ATTENTION}self/Softmax", "BHTC"),
    "layer.{i}.attention.context": ("input", f"{_ATTENTION}output/dense/MatMul", "BTC"),
    "layer.{i}.attention.output": ("node", f"{_ATTENTION}output/dense/BiasAdd", "BTC"),
    "layer.{i}.attention.norm": ("node", f"{_ATTENTION}output/{_NORM}", "BTC"),
    "layer.{i}.intermediate": ("input", f"{_LAYER}output/dense/MatMul", "BTC"),
    "layer.{i}.output": ("node", f"{_LAYER}output/dense/BiasAdd", "BTC"),
    "pooler": ("node", _POOLER, "BC"),
    "mlm.transform": ("node", f"cls/predictions/transform/{_NORM}", "BQC"),
    "logits.mlm": ("bias", "cls/predictions/output_bias", "BQC"),
    "logits.nsp": ("bias", "cls/seq_relationship/output_bias", "BC"),
    "logits.classifier": ("bias", "output_bias", "BC"),
    "logits.tokens": ("bias", "output_bias", "BTC"),
    "logits.qa": ("bias", "cls/squad/output_bias", "BTC"),
}
"""How a tap is found: a node's output, what its first input is, or the sum with a variable; and the tap's axes."""

_ADDS = ("BiasAdd", "Add", "AddV2")
_SHAPE_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})
_SAME_VALUES = frozenset({"Reshape", "ExpandDims", "Squeeze", "Identity", "Cast", "StopGradient"})
_FED = SOURCES | {"PlaceholderWithDefault"}


@dataclass(frozen=True)
class Place:
    """A tap in the graph."""

    port: Port
    axes: str


def is_bert(graph: Graph) -> bool:
    """The embeddings and the first layer are there under their published names."""
    return WORDS in graph.nodes and f"bert/encoder/layer_0/output/{_NORM}" in graph.nodes


def find_tap(graph: Graph, tap: str) -> Place | str:
    """Where a tap is; or why it cannot be shown."""
    number = re.match(r"layer\.(\d+)", tap)
    template = tap.replace(number[0], "layer.{i}", 1) if number else tap
    if template not in _PLACES:
        return "there is no node that is known to be this tap"
    how, name, axes = _PLACES[template]
    name = name.replace("{i}", number[1]) if number else name
    if how == "bias":
        return _sum(graph, name, axes)
    if name not in graph.nodes:
        return f"the graph has no node {name}"
    inputs = data_inputs(graph.nodes[name])
    if how == "input" and not inputs:
        return f"node {name} of the graph computes from nothing"
    return Place(inputs[0] if how == "input" else Port(name), axes)


def _sum(graph: Graph, bias: str, axes: str) -> Place | str:
    """What a variable is added to; classifiers of rows and of tokens share its name, and only rows have a pooler."""
    sums = [node for node, _ in readers(graph, bias) if node.op in _ADDS]
    if len(sums) != 1:
        return f"nothing in the graph adds {bias}"
    port = Port(sums[0].name)
    pooled = _POOLER in reach(graph, [port]).nodes
    if pooled != ("T" not in axes and "Q" not in axes):
        return f"what the graph adds {bias} to is{'' if pooled else ' not'} computed from the pooler"
    return Place(port, axes)


def find_inputs(graph: Graph) -> Mapping[str, Port]:
    """Our names of inputs, and which output of the graph stands for each; what is not found is not named."""
    found: dict[str, Port | None] = {"input_ids": _looked_up(graph, WORDS), "token_type_ids": _looked_up(graph, TYPES)}
    found["attention_mask"] = _only(graph, f"bert/encoder/layer_{last_layer(graph)}/output/{_NORM}", found)
    found["logit_positions"] = _only(graph, f"cls/predictions/transform/{_NORM}", found)
    return {name: port for name, port in found.items() if port is not None}


def last_layer(graph: Graph) -> int:
    """Number of the deepest layer."""
    matches = map(re.compile(r"bert/encoder/layer_(\d{1,5})/").match, graph.nodes)
    return max((int(match[1]) for match in matches if match), default=0)


def activation(graph: Graph) -> str | None:
    """What the first layer's intermediate computes between its sum and the next product, read off the operations."""
    scope = "bert/encoder/layer_0/intermediate/dense/"
    held = {node.op for name, node in graph.nodes.items() if name.startswith(scope)}
    known = {"Erf": "gelu_erf", "Tanh": "gelu_tanh" if held & {"Pow", "Mul"} else "tanh", "Relu": "relu"}
    return next((name for op, name in known.items() if op in held), None)


def _looked_up(graph: Graph, table: str) -> Port | None:
    """What a table is indexed with, by a lookup or by a product with one-hot rows."""
    for node, place in readers(graph, table):
        inputs = data_inputs(node)
        if node.op in ("Gather", "GatherV2", "ResourceGather") and place == 0:
            return _climb(graph, inputs[1])
        if node.op == "MatMul" and place == 1:
            hot = origin(graph, inputs[0], through=_SAME_VALUES)
            if hot is not None and hot.op == "OneHot":
                return _climb(graph, data_inputs(hot)[0])
    return None


def _climb(graph: Graph, port: Port) -> Port | None:
    """The source that gives these values, perhaps in another shape or integer type."""
    for _ in range(len(graph.nodes)):
        node: Any = graph.nodes.get(port.name)
        if node is None or node.op in _FED:
            break
        if node.op not in _SAME_VALUES or not data_inputs(node):
            return None
        port = data_inputs(node)[0]
    return port if port.name in graph.nodes else None


def _only(graph: Graph, name: str, known: Mapping[str, Port | None]) -> Port | None:
    """The one source whose values a node depends on, besides those already known."""
    found: set[Port] = set()
    seen, todo = {name}, [Port(name)]
    while todo:
        port = todo.pop()
        node = graph.nodes.get(port.name)
        if node is None or node.op in _SHAPE_ONLY:
            continue
        if node.op in _FED:
            found.add(port)
            continue
        for one in data_inputs(node):
            # Several outputs of one source are several inputs.
            given = graph.nodes.get(one.name)
            if one.name not in seen or (given is not None and given.op in _FED):
                todo.append(one)
            seen.add(one.name)
    left = found - set(known.values())
    return left.pop() if len(left) == 1 else None
