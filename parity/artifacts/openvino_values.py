"""Operations over values alone, as OpenVINO nodes; a value is an output port that carries its names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as opset
from openvino import opset16

from parity.artifacts.graph_builder import Value
from parity.tensorfile import Array

_END = (1 << 63) - 1


def named(node: Any, name: str) -> Value:
    """A node's only output, with its name."""
    node.set_friendly_name(name)
    port = node.output(0)
    port.get_tensor().set_names({name})
    return port


class OpenvinoValues:
    """Draws nodes that need no weights."""

    def __init__(self) -> None:
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, array: Array) -> Value:
        """See `Builder`."""
        return self._number(name, array)

    def apply(self, name: str, kind: str, x: Value) -> Value:
        """See `Builder`."""
        return named(_UNARY[kind](x), name)

    def combine(self, name: str, kind: str, a: Value, b: Value | float) -> Value:
        """See `Builder`."""
        return named(_BINARY[kind](a, self._operand(b)), name)

    def choose(self, name: str, condition: Value, a: Value, b: Value | float) -> Value:
        """See `Builder`."""
        return named(opset.select(condition, a, self._operand(b)), name)

    def add(self, name: str, a: Value, b: Value) -> Value:
        """See `Builder`."""
        return named(opset.add(a, b), name)

    def scale(self, name: str, x: Value, factor: float) -> Value:
        """See `Builder`."""
        return named(opset.multiply(x, self._number(f"number.{factor!r}", np.float32(factor))), name)

    def matmul(self, name: str, a: Value, b: Value) -> Value:
        """See `Builder`."""
        return named(opset.matmul(a, b, False, False), name)

    def softmax(self, name: str, x: Value) -> Value:
        """See `Builder`."""
        return named(opset.softmax(x, -1), name)

    def mean(self, name: str, x: Value, axis: int) -> Value:
        """See `Builder`."""
        return named(opset.reduce_mean(x, self._numbers(axis), False), name)

    def top(self, name: str, x: Value) -> Value:
        """See `Builder`."""
        return named(opset.reduce_max(x, self._numbers(-1), True), name)

    def size(self, name: str, x: Value, axis: int) -> Value:
        """See `Builder`."""
        shape = named(opset.shape_of(x), f"{name}.shape")
        return named(opset.gather(shape, self._numbers(axis), self._operand(0)), name)

    def count(self, name: str, start: Value | int, stop: Value | int, step: int = 1) -> Value:
        """See `Builder`."""
        ends = [self._scalar(f"{name}.{which}", end) for which, end in (("from", start), ("to", stop))]
        return named(opset.range(*ends, self._operand(step), "i64"), name)

    def slice(self, name: str, x: Value, axis: int, start: Value | int, stop: Value | int | None) -> Value:
        """See `Builder`."""
        begin, end = self._sizes(start), self._sizes(_END if stop is None else stop)
        return named(opset.slice(x, begin, end, self._numbers(1), self._numbers(axis)), name)

    def concat(self, name: str, values: Sequence[Value], axis: int) -> Value:
        """See `Builder`."""
        return named(opset.concat(list(values), axis), name)

    def reshape(self, name: str, x: Value, sizes: Sequence[Value | int]) -> Value:
        """See `Builder`."""
        if all(isinstance(size, int) for size in sizes):
            return named(opset.reshape(x, self._numbers(*sizes), True), name)
        shape = self.concat(f"{name}.shape", [self._sizes(size) for size in sizes], 0)
        return named(opset.reshape(x, shape, True), name)

    def transpose(self, name: str, x: Value, axes: Sequence[int]) -> Value:
        """See `Builder`."""
        return named(opset.transpose(x, self._numbers(*axes)), name)

    def token(self, name: str, x: Value, position: int) -> Value:
        """See `Builder`."""
        return self._index(name, x, position, 1)

    def channel(self, name: str, x: Value, index: int) -> Value:
        """See `Builder`."""
        return self._index(name, x, index, 2)

    def _index(self, name: str, x: Value, index: int, axis: int) -> Value:
        at, along = self._number(f"index.{index}", np.int64(index)), self._number(f"axis.{axis}", np.int64(axis))
        return named(opset.gather(x, at, along), name)

    def _numbers(self, *values: int) -> Value:
        return self._number("numbers." + ".".join(map(str, values)), np.asarray(values, np.int64))

    def _operand(self, value: Value | float) -> Value:
        if isinstance(value, int):
            return self._number(f"index.{value}", np.int64(value))
        return self._number(f"number.{value!r}", np.float32(value)) if isinstance(value, float) else value

    def _sizes(self, value: Value | int) -> Value:
        return self._numbers(value) if isinstance(value, int) else value

    def _scalar(self, name: str, value: Value | int) -> Value:
        return self._operand(value) if isinstance(value, int) else named(opset.squeeze(value, self._numbers(0)), name)

    def _number(self, name: str, value: Any) -> Value:
        if name not in self._constants:
            array = np.asarray(value() if callable(value) else value)
            self._constants[name] = named(ov.op.Constant(array, shared_memory=True), name)
        return self._constants[name]


_UNARY: Mapping[str, Callable[[Value], Any]] = {
    "sin": opset.sin,
    "cos": opset.cos,
    "log_softmax": lambda x: opset.log_softmax(x, -1),
    "not": opset.logical_not,
    "float32": lambda x: opset.convert(x, "f32"),
    "int64": lambda x: opset.convert(x, "i64"),
    "same": opset16.identity,
}
_BINARY: Mapping[str, Callable[[Value, Value], Any]] = {
    "add": opset.add,
    "subtract": opset.subtract,
    "multiply": opset.multiply,
    "least": opset.minimum,
    "largest": opset.maximum,
    "greater": opset.greater,
    "less": opset.less,
    "equal": opset.equal,
    "and": opset.logical_and,
    "or": opset.logical_or,
}
