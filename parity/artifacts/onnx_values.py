"""Operations over values alone, as ONNX nodes of opset 20; a value is its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from parity.artifacts.graph_builder import Value
from parity.tensorfile import Array

_END = (1 << 63) - 1


class OnnxValues:
    """Draws nodes that need no weights."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, array: Array) -> Value:
        """See `Builder`."""
        return self._constant(name, array)

    def apply(self, name: str, kind: str, x: Value) -> Value:
        """See `Builder`."""
        operator, attributes = _UNARY[kind]
        return self._node(operator, name, x, **attributes)

    def combine(self, name: str, kind: str, a: Value, b: Value | float) -> Value:
        """See `Builder`."""
        return self._node(_BINARY[kind], name, a, self._operand(b))

    def choose(self, name: str, condition: Value, a: Value, b: Value | float) -> Value:
        """See `Builder`."""
        return self._node("Where", name, condition, a, self._operand(b))

    def add(self, name: str, a: Value, b: Value) -> Value:
        """See `Builder`."""
        return self._node("Add", name, a, b)

    def scale(self, name: str, x: Value, factor: float) -> Value:
        """See `Builder`."""
        return self._node("Mul", name, x, self._constant(f"number.{factor!r}", np.float32(factor)))

    def matmul(self, name: str, a: Value, b: Value) -> Value:
        """See `Builder`."""
        return self._node("MatMul", name, a, b)

    def softmax(self, name: str, x: Value) -> Value:
        """See `Builder`."""
        return self._node("Softmax", name, x, axis=-1)

    def mean(self, name: str, x: Value, axis: int) -> Value:
        """See `Builder`."""
        return self._node("ReduceMean", name, x, self._numbers(axis), keepdims=0)

    def top(self, name: str, x: Value) -> Value:
        """See `Builder`."""
        return self._node("ReduceMax", name, x, self._numbers(-1), keepdims=1)

    def size(self, name: str, x: Value, axis: int) -> Value:
        """See `Builder`."""
        return self._node("Shape", name, x, start=axis, end=axis + 1)

    def count(self, name: str, start: Value | int, stop: Value | int, step: int = 1) -> Value:
        """See `Builder`."""
        ends = [self._scalar(f"{name}.{which}", end) for which, end in (("from", start), ("to", stop))]
        return self._node("Range", name, *ends, self._operand(step))

    def slice(self, name: str, x: Value, axis: int, start: Value | int, stop: Value | int | None) -> Value:
        """See `Builder`."""
        end = _END if stop is None else stop
        return self._node("Slice", name, x, self._sizes(start), self._sizes(end), self._numbers(axis))

    def concat(self, name: str, values: Sequence[Value], axis: int) -> Value:
        """See `Builder`."""
        return self._node("Concat", name, *values, axis=axis)

    def reshape(self, name: str, x: Value, sizes: Sequence[Value | int]) -> Value:
        """See `Builder`."""
        if all(isinstance(size, int) for size in sizes):
            return self._node("Reshape", name, x, self._numbers(*sizes))
        shape = self.concat(f"{name}.shape", [self._sizes(size) for size in sizes], 0)
        return self._node("Reshape", name, x, shape)

    def transpose(self, name: str, x: Value, axes: Sequence[int]) -> Value:
        """See `Builder`."""
        return self._node("Transpose", name, x, perm=axes)

    def token(self, name: str, x: Value, position: int) -> Value:
        """See `Builder`."""
        return self._node("Gather", name, x, self._constant(f"index.{position}", np.int64(position)), axis=1)

    def channel(self, name: str, x: Value, index: int) -> Value:
        """See `Builder`."""
        return self._node("Gather", name, x, self._constant(f"index.{index}", np.int64(index)), axis=2)

    def _constant(self, name: str, value: Any) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def _numbers(self, *values: int) -> str:
        return self._constant("numbers." + ".".join(map(str, values)), np.asarray(values, np.int64))

    def _operand(self, value: Value | float) -> str:
        if isinstance(value, int):
            return self._constant(f"index.{value}", np.int64(value))
        return self._constant(f"number.{value!r}", np.float32(value)) if isinstance(value, float) else str(value)

    def _sizes(self, value: Value | int) -> str:
        return self._numbers(value) if isinstance(value, int) else str(value)

    def _scalar(self, name: str, value: Value | int) -> str:
        return self._operand(value) if isinstance(value, int) else self._node("Squeeze", name, value, self._numbers(0))

    def _node(self, operator: str, name: str, *inputs: Value, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=f"node/{name}", **attributes))
        return name


_UNARY: Mapping[str, tuple[str, dict[str, Any]]] = {
    "sin": ("Sin", {}),
    "cos": ("Cos", {}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "not": ("Not", {}),
    "float32": ("Cast", {"to": TensorProto.FLOAT}),
    "int64": ("Cast", {"to": TensorProto.INT64}),
    "same": ("Identity", {}),
}
_BINARY: Mapping[str, str] = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "least": "Min",
    "largest": "Max",
    "greater": "Greater",
    "less": "Less",
    "equal": "Equal",
    "and": "And",
    "or": "Or",
}
