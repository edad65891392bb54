"""What a graph says of one output of a node: its type, its declared shape; and who reads a variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.artifacts.tfgraph.operations import NUMBERS
from parity.artifacts.tfgraph.reading import Graph, data_inputs
from parity.artifacts.tfgraph.spec import Port

Shape = tuple[int | None, ...]

_TYPE_LISTS = ("output_types", "dtypes", "component_types")
_SHAPE_LISTS = ("output_shapes", "shapes", "_output_shapes")
# Of a consumer: which attribute is the type of its first input.
_CONSUMERS = {
    **dict.fromkeys(
        ("Reshape", "ExpandDims", "Identity", "Squeeze", "StopGradient", "Mul", "Add", "AddV2", "Sub"), "T"
    ),
    "MatMul": "T",
    "BiasAdd": "T",
    "Mean": "T",
    "Cast": "SrcT",
    "OneHot": "TI",
}
_ALIASES = frozenset({"Identity", "ReadVariableOp", "Enter"})


def dtype_of(graph: Graph, port: Port) -> str | None:
    """NumPy dtype name of what a source gives; None where neither it nor who reads it tells."""
    node = graph.node(port.name)
    if node.op in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"):
        return NUMBERS.get(node.attr["dtype"].type)
    for key in _TYPE_LISTS:
        types = list(node.attr[key].list.type) if key in node.attr else []
        if port.index < len(types):
            return NUMBERS.get(types[port.index])
    for consumer in graph.nodes.values():
        key = _CONSUMERS.get(consumer.op, "")
        if key in consumer.attr and port in data_inputs(consumer)[:1]:
            return NUMBERS.get(consumer.attr[key].type)
    return None


def shape_of(graph: Graph, port: Port) -> Shape | None:
    """Declared sizes, None inside for a free one; None as a whole where not even their number is told."""
    node = graph.node(port.name)
    if "shape" in node.attr and node.attr["shape"].WhichOneof("value") == "shape":
        return _sizes(node.attr["shape"].shape)
    for key in _SHAPE_LISTS:
        shapes = list(node.attr[key].list.shape) if key in node.attr else []
        if port.index < len(shapes):
            return _sizes(shapes[port.index])
    return None


def variable_form(node: Any) -> tuple[str | None, tuple[int, ...] | None]:
    """Dtype name and shape that the graph declares for a variable; None where it declares none."""
    shape = node.attr["shape"].shape
    sizes = None if shape.unknown_rank else tuple(int(dim.size) for dim in shape.dim)
    return NUMBERS.get(node.attr["dtype"].type), None if sizes is None or min(sizes, default=0) < 0 else sizes


def _sizes(shape: Any) -> Shape | None:
    return None if shape.unknown_rank else tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)


def origin(graph: Graph, port: Port, *, through: frozenset[str] = _ALIASES) -> Any:
    """The node behind identities, as a variable lies behind the reading of it; None where the graph is broken off."""
    node, seen = graph.nodes.get(port.name), set[str]()
    while node is not None and node.op in through and data_inputs(node) and node.name not in seen:
        seen.add(node.name)
        node = graph.nodes.get(data_inputs(node)[0].name)
    return node


def readers(graph: Graph, name: str) -> Iterator[tuple[Any, int]]:
    """Nodes that compute from a variable or constant, and the place of the input they read it by."""
    for node in graph.nodes.values():
        if node.op in _ALIASES:
            continue
        for place, port in enumerate(data_inputs(node)):
            found = origin(graph, port)
            if found is not None and found.name == name:
                yield node, place
