"""Writes an OpenVINO IR from a Hugging Face folder: float32, batch and length free, reshapable.

Constants are views on the folder's weights, so that nothing is held twice; the vocabulary table is one constant, for
the embedding as for the vocabulary product. `compress="fp16"` stores the weights in half precision, OpenVINO's own
default when saving, which costs 4e-4 on hidden states and is therefore never done unasked. `compress="int8"` stores
the kernels of dense layers as int8, symmetric, with a scale per output channel, multiplied back in the graph itself:
the form of weight compression that OpenVINO's CPU plugin runs without unpacking it first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from parity.artifacts.graph_bert import TEXTS
from parity.artifacts.graph_export import Value, Weights, draw, read_source
from parity.artifacts.quantised import INTEGERS, SCALE
from parity.errors import ParityError

FILE = "openvino_model.xml"
_MOST = 127
"""Steps on either side of 0."""


def export(pytorch_dir: Path, out: Path, *, compress: str | None = None) -> None:
    """Write `openvino_model.xml` and `.bin` into the folder `out`.

    Args:
        pytorch_dir: a Hugging Face folder, its class named in config.json.
        out: an existing folder; the caller owns its name and what else lies there.
        compress: `fp16` stores weights in half precision, `int8` kernels as integers; how they are computed with is the
            runtime's affair.

    Raises:
        ParityError: the folder is no model that can be drawn, or the disk is full.
    """
    source = read_source(pytorch_dir)
    builder = OpenvinoBuilder(source.weights, integers=compress == "int8")
    draw(source, builder, TEXTS)
    try:
        ov.save_model(builder.model(source.target_class), str(out / FILE), compress_to_fp16=compress == "fp16")
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ParityError(f"OpenVINO cannot write the graph: {reason}", where=out, remedy="check free space") from error


class OpenvinoBuilder:
    """Draws OpenVINO operations; a value is an output port that carries its names."""

    def __init__(self, weights: Weights, *, integers: bool = False) -> None:
        self._weights, self._integers = weights, integers
        self._parameters: list[Any] = []
        self._results: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(self, name: str) -> Any:
        """What was drawn, as an `openvino.Model`."""
        return ov.Model(self._results, self._parameters, name)

    def input(self, name: str, longest: int) -> Value:
        """See `Builder`: the bound is declared, since OpenVINO would read on behind the table of positions."""
        node = opset.parameter(ov.PartialShape([ov.Dimension(-1), ov.Dimension(1, longest)]), np.int64)
        self._parameters.append(node)
        return _named(node, name)

    def output(self, name: str, value: Value, axes: tuple[str | int, ...]) -> None:
        """See `Builder`: the port gets a second name."""
        value.get_tensor().add_names({name})
        node = opset.result(value)
        node.set_friendly_name(name)
        self._results.append(node)

    def lookup(self, name: str, table: str, ids: Value) -> Value:
        """See `Builder`."""
        return _named(opset.gather(self._weight(table), ids, self._number("axis.0", np.int64(0))), name)

    def leading_rows(self, name: str, table: str, like: Value) -> Value:
        """See `Builder`."""
        zero, one = self._numbers(0), self._numbers(1)
        axis = self._number("axis.0", np.int64(0))
        shape = _named(opset.shape_of(like), f"{name}.shape")
        length = _named(opset.gather(shape, one, axis), f"{name}.length")
        return _named(opset.slice(self._weight(table), zero, length, one, zero), name)

    def dense(self, name: str, x: Value, weight: str, bias: str) -> Value:
        """See `Builder`."""
        product = _named(opset.matmul(x, self._kernel(weight), False, True), f"{name}.product")
        return _named(opset.add(product, self._weight(bias)), name)

    def norm(self, name: str, x: Value, weight: str, bias: str, epsilon: float) -> Value:
        """See `Builder`."""
        plain = _named(opset.mvn(x, self._numbers(-1), True, epsilon, "inside_sqrt"), f"{name}.normalized")
        scaled = _named(opset.multiply(plain, self._weight(weight)), f"{name}.scaled")
        return _named(opset.add(scaled, self._weight(bias)), name)

    def activate(self, name: str, x: Value, kind: str) -> Value:
        """See `Builder`."""
        if kind in _ACTIVATIONS:
            return _named(_ACTIVATIONS[kind](x), name)
        x.get_tensor().add_names({name})  # linear
        return x

    def add(self, name: str, a: Value, b: Value) -> Value:
        """See `Builder`."""
        return _named(opset.add(a, b), name)

    def scale(self, name: str, x: Value, factor: float) -> Value:
        """See `Builder`."""
        return _named(opset.multiply(x, self._number(f"number.{factor!r}", np.float32(factor))), name)

    def matmul(self, name: str, a: Value, b: Value) -> Value:
        """See `Builder`."""
        return _named(opset.matmul(a, b, False, False), name)

    def softmax(self, name: str, x: Value) -> Value:
        """See `Builder`."""
        return _named(opset.softmax(x, -1), name)

    def split(self, name: str, x: Value, heads: int, size: int, axes: tuple[int, int, int, int]) -> Value:
        """See `Builder`."""
        parted = _named(opset.reshape(x, self._numbers(0, 0, heads, size), True), f"{name}.parted")
        return _named(opset.transpose(parted, self._numbers(*axes)), name)

    def merge(self, name: str, x: Value, width: int) -> Value:
        """See `Builder`."""
        back = _named(opset.transpose(x, self._numbers(0, 2, 1, 3)), f"{name}.parted")
        return _named(opset.reshape(back, self._numbers(0, 0, width), True), name)

    def hide(self, name: str, mask: Value) -> Value:
        """See `Builder`."""
        wide = _named(opset.unsqueeze(mask, self._numbers(1, 2)), f"{name}.axes")
        visible = _named(opset.convert(wide, "f32"), f"{name}.visible")
        hidden = _named(opset.subtract(self._number("number.1", np.float32(1)), visible), f"{name}.hidden")
        return _named(opset.multiply(hidden, self._number("number.lowest", np.finfo(np.float32).min)), name)

    def token(self, name: str, x: Value, position: int) -> Value:
        """See `Builder`."""
        return self._index(name, x, position, 1)

    def channel(self, name: str, x: Value, index: int) -> Value:
        """See `Builder`."""
        return self._index(name, x, index, 2)

    def _index(self, name: str, x: Value, index: int, axis: int) -> Value:
        at, along = self._number(f"index.{index}", np.int64(index)), self._number(f"axis.{axis}", np.int64(axis))
        return _named(opset.gather(x, at, along), name)

    def _kernel(self, name: str) -> Value:
        """A dense layer's weight: as integers where they are asked for, unless it is a table that is looked up."""
        if not self._integers or name in self._constants:
            return self._weight(name)
        weight = self._weights.read(name)
        scale = np.abs(weight).max(axis=1, keepdims=True) / np.float32(_MOST)
        steps = np.rint(np.divide(weight, scale, out=np.zeros_like(weight), where=scale > 0)).astype(np.int8)
        integers = opset.convert(self._number(name + INTEGERS, steps), "f32")
        return _named(opset.multiply(integers, self._number(name + SCALE, scale)), name)

    def _weight(self, name: str) -> Value:
        return self._number(name, lambda: self._weights.read(name))

    def _numbers(self, *values: int) -> Value:
        return self._number("numbers." + ".".join(map(str, values)), np.asarray(values, np.int64))

    def _number(self, name: str, value: Any) -> Value:
        if name not in self._constants:
            array = np.asarray(value() if callable(value) else value)
            self._constants[name] = _named(ov.op.Constant(array, shared_memory=True), name)
        return self._constants[name]


_ACTIVATIONS: dict[str, Callable[[Value], Any]] = {
    "gelu_erf": lambda x: opset.gelu(x, "erf"),
    "gelu_tanh": lambda x: opset.gelu(x, "tanh"),
    "relu": opset.relu,
    "tanh": opset.tanh,
}


def _named(node: Any, name: str) -> Value:
    node.set_friendly_name(name)
    port = node.output(0)
    port.get_tensor().set_names({name})
    return port
