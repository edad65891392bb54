"""Dropout in a training graph, told by what it computes, and what would pass through it in inference.

`tf.nn.dropout` leaves a handful of plain nodes (TensorFlow's python/ops/nn_ops.py, `dropout` and `dropout_v2`):

    until 1.12    (x / keep) * floor(keep + uniform)
    1.13 - 1.15   (x * (1 / (1 - rate))) * cast(uniform >= rate)
    2.x           select(uniform >= rate, x * (1 / (1 - rate)), 0)

Only where the numbers say that the mask is worth 1 on average is the whole taken for x.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from parity.artifacts.tfgraph.reading import Graph, data_inputs
from parity.artifacts.tfgraph.spec import Port

_UNIFORM = {"RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"}
_ADD, _DIVIDE, _PASS = {"Add", "AddV2"}, {"RealDiv", "Div"}, {"Identity", "Cast"}
_NEAR = 1e-5
_DEEP = 8
_FOLD: dict[str, Callable[[float, float], float]] = {
    "Add": lambda a, b: a + b,
    "AddV2": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "RealDiv": lambda a, b: a / b,
    "Div": lambda a, b: a / b,
}


def behind_dropout(graph: Graph, node: Any) -> Port | None:
    """What a dropout that ends in this node lets through; None where the node is no such thing."""
    inputs = data_inputs(node)
    if node.op == "Mul" and len(inputs) == 2:
        sides = [(inputs[0], inputs[1]), (inputs[1], inputs[0])]
    elif node.op in ("Select", "SelectV2") and len(inputs) == 3 and scalar(graph, inputs[2]) == 0:
        sides = [(inputs[1], inputs[0])]
    else:
        return None
    for scaled, mask in sides:
        keep = _kept(graph, mask)
        if keep:
            return _unscaled(graph, scaled, keep)
    return None


def _kept(graph: Graph, port: Port) -> float | None:
    """The share that a mask of zeros and ones keeps."""
    node = _through(graph, port)
    inputs = data_inputs(node) if node is not None else []
    if node is not None and node.op == "GreaterEqual" and _is_uniform(graph, inputs[0]):
        rate = scalar(graph, inputs[1])
        return None if rate is None else 1 - rate
    if node is not None and node.op == "Floor":
        total = _through(graph, inputs[0])
        sides = data_inputs(total) if total is not None and total.op in _ADD else []
        for uniform, keep in (sides, sides[::-1]) if len(sides) == 2 else ():
            if _is_uniform(graph, uniform):
                return scalar(graph, keep)
    return None


def _unscaled(graph: Graph, port: Port, keep: float) -> Port | None:
    """X of x / keep, however it is written."""
    node = graph.nodes.get(port.name)
    inputs = data_inputs(node) if node is not None else []
    if node is None or len(inputs) != 2:
        return None
    pairs = [inputs] if node.op in _DIVIDE else [inputs, inputs[::-1]] if node.op == "Mul" else []
    for x, factor in pairs:
        number = scalar(graph, factor)
        if number and abs((1 / number if node.op in _DIVIDE else number) * keep - 1) < _NEAR:
            return x
    return None


def _is_uniform(graph: Graph, port: Port) -> bool:
    """Uniform from 0 to 1, also where it is written as uniform * (1 - 0) + 0."""
    node = _through(graph, port)
    if node is None:
        return False
    if node.op in _UNIFORM:
        return True
    neutral = 0 if node.op in _ADD else 1 if node.op == "Mul" else None
    inputs = data_inputs(node)
    if neutral is None or len(inputs) != 2:
        return False
    return any(scalar(graph, b) == neutral and _is_uniform(graph, a) for a, b in (inputs, inputs[::-1]))


def _through(graph: Graph, port: Port) -> Any:
    node = graph.nodes.get(port.name)
    for _ in range(_DEEP):
        if node is None or node.op not in _PASS or not data_inputs(node):
            break
        node = graph.nodes.get(data_inputs(node)[0].name)
    return node


def scalar(graph: Graph, port: Port, deep: int = _DEEP) -> float | None:
    """A number that the graph fixes, also where it computes it from others; None where it does not."""
    node = _through(graph, port)
    if node is None or not deep:
        return None
    if node.op == "Const":
        return _scalar(node.attr["value"].tensor)
    inputs = data_inputs(node)
    if node.op == "Fill" and len(inputs) == 2:
        return scalar(graph, inputs[1], deep - 1)
    if node.op == "ZerosLike":
        return 0.0
    if node.op not in _FOLD or len(inputs) != 2:
        return None
    a, b = (scalar(graph, side, deep - 1) for side in inputs)
    try:
        return None if a is None or b is None else _FOLD[node.op](a, b)
    except ZeroDivisionError:
        return None


def _scalar(tensor: Any) -> float | None:
    """Of float32 or int32: what dropout's numbers are."""
    form = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}.get(tensor.dtype)
    if form is None or any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    if tensor.tensor_content:
        fits = len(tensor.tensor_content) == struct.calcsize(form)
        return float(struct.unpack(form, tensor.tensor_content)[0]) if fits else None
    values = [*tensor.float_val, *tensor.double_val, *tensor.int_val, *tensor.int64_val]
    # A scalar of nothing but its default is zero.
    return float(values[0]) if len(values) == 1 else 0.0 if not values else None
