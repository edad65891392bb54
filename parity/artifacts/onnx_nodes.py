"""The operations of a graph's text as ONNX nodes.

Dense weights are stored as [in,out], so that a runtime has nothing to turn; the vocabulary table is stored once, for
the embedding as for the vocabulary product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from parity.artifacts.graph_builder import Value
from parity.artifacts.graph_export import Weights
from parity.artifacts.onnx_values import OnnxValues


@dataclass(frozen=True)
class Stored:
    """A weight that becomes an initializer under its own name."""

    name: str
    turned: bool
    """Stored with its axes reversed."""
    shape: tuple[int, ...]
    """As stored."""

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return int(np.prod(self.shape, dtype=np.int64)) * 4

    def read(self, weights: Weights) -> memoryview:
        """Its bytes as stored."""
        array = weights.read(self.name).reshape(self.shape[::-1] if self.turned else self.shape)
        ordered = np.ascontiguousarray(array.T if self.turned else array, "<f4")
        return ordered.reshape(-1).view(np.uint8).data


class OnnxNodes(OnnxValues):
    """Draws every operation of `Builder`."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._weights = weights
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._stored: dict[str, Stored] = {}

    def input(self, name: str, longest: int | None) -> Value:
        """See `Builder`: ONNX has no bounds; too long a sequence fails where positions are read or added."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]))
        return name

    def state(self, name: str, axes: tuple[str | int, ...]) -> Value:
        """See `Builder`."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, axes))
        return name

    def output(self, name: str, value: Value, axes: tuple[str | int, ...]) -> None:
        """See `Builder`: a second name for a value is a node of its own in ONNX."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, axes))
        if name != value:
            self._node("Identity", name, value)

    def weight(self, name: str) -> Value:
        """See `Builder`."""
        return self._weight(name)

    def lookup(self, name: str, table: str, ids: Value) -> Value:
        """See `Builder`."""
        return self._node("Gather", name, self._weight(table), ids, axis=0)

    def leading_rows(self, name: str, table: str, like: Value) -> Value:
        """See `Builder`."""
        length = self._node("Shape", f"{name}.length", like, start=1, end=2)
        zero = self._numbers(0)
        return self._node("Slice", name, self._weight(table), zero, length, zero)

    def rows(self, name: str, table: str, start: Value, count: Value) -> Value:
        """See `Builder`: looked up, since a lookup is checked and a slice that ends early is not."""
        places = self.count(f"{name}.places", start, self.combine(f"{name}.end", "add", start, count))
        return self.lookup(name, table, places)

    def dense(
        self,
        name: str,
        x: Value,
        weight: str,
        bias: str | None,
        *,
        turned: bool = False,
        flat: tuple[int, int] | None = None,
    ) -> Value:
        """See `Builder`. A weight that is stored for another use as well is stored once and turned by the runtime."""
        stored = self._stored.get(weight)
        if stored is None or stored.turned != turned:
            kernel = self._weight(weight, turned=not turned, flat=flat)
        else:
            kernel = self._node("Transpose", f"{name}.kernel", weight, perm=(1, 0))
        if bias is None:
            return self._node("MatMul", name, x, kernel)
        product = self._node("MatMul", f"{name}.product", x, kernel)
        return self._node("Add", name, product, self._weight(bias))

    def norm(self, name: str, x: Value, weight: str, bias: str, epsilon: float) -> Value:
        """See `Builder`."""
        return self._node("LayerNormalization", name, x, self._weight(weight), self._weight(bias), epsilon=epsilon)

    def activate(self, name: str, x: Value, kind: str) -> Value:
        """See `Builder`."""
        if kind == "swish":
            return self._node("Mul", name, x, self._node("Sigmoid", f"{name}.gate", x))
        operator, attributes = _ACTIVATIONS[kind]
        return self._node(operator, name, x, **attributes)

    def split(self, name: str, x: Value, heads: int, size: int, axes: tuple[int, int, int, int]) -> Value:
        """See `Builder`."""
        parted = self._node("Reshape", f"{name}.parted", x, self._numbers(0, 0, heads, size))
        return self._node("Transpose", name, parted, perm=axes)

    def merge(self, name: str, x: Value, width: int) -> Value:
        """See `Builder`."""
        back = self._node("Transpose", f"{name}.parted", x, perm=(0, 2, 1, 3))
        return self._node("Reshape", name, back, self._numbers(0, 0, width))

    def hide(self, name: str, mask: Value) -> Value:
        """See `Builder`."""
        wide = self._node("Unsqueeze", f"{name}.axes", mask, self._numbers(1, 2))
        visible = self._node("Cast", f"{name}.visible", wide, to=TensorProto.FLOAT)
        hidden = self._node("Sub", f"{name}.hidden", self._constant("number.1", np.float32(1)), visible)
        return self._node("Mul", name, hidden, self._constant("number.lowest", np.finfo(np.float32).min))

    def _weight(self, name: str, *, turned: bool = False, flat: tuple[int, ...] | None = None) -> str:
        shape = flat or self._weights.shape(name)
        stored = self._stored.setdefault(name, Stored(name, turned, shape[::-1] if turned else shape))
        assert stored.turned == turned, f"{name} is needed in both orientations"
        return name


_ACTIVATIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "gelu_erf": ("Gelu", {"approximate": "none"}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
    "linear": ("Identity", {}),
}
