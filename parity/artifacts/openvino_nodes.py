"""The operations of a graph's text as OpenVINO nodes.

Constants are views on the folder's weights, so that nothing is held twice; the vocabulary table is one constant, for
the embedding as for the vocabulary product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from parity.artifacts.graph_builder import Value
from parity.artifacts.graph_export import Weights
from parity.artifacts.openvino_values import OpenvinoValues, named
from parity.artifacts.quantised import INTEGERS, SCALE
from parity.tensorfile import Array

_MOST = 127
"""Steps on either side of 0."""


class OpenvinoBuilder(OpenvinoValues):
    """Draws every operation of `Builder`."""

    def __init__(self, weights: Weights, *, integers: bool = False) -> None:
        super().__init__()
        self._weights, self._integers = weights, integers
        self._parameters: list[Any] = []
        self._results: list[Any] = []

    def model(self, name: str) -> Any:
        """What was drawn, as an `openvino.Model`."""
        return ov.Model(self._results, self._parameters, name)

    def input(self, name: str, longest: int | None) -> Value:
        """See `Builder`: the bound is declared, since OpenVINO would read on behind the table of positions."""
        length = ov.Dimension(-1) if longest is None else ov.Dimension(1, longest)
        return self._parameter(name, [ov.Dimension(-1), length], np.int64)

    def state(self, name: str, axes: tuple[str | int, ...]) -> Value:
        """See `Builder`."""
        return self._parameter(name, [ov.Dimension(-1 if isinstance(axis, str) else axis) for axis in axes], np.float32)

    def output(self, name: str, value: Value, axes: tuple[str | int, ...]) -> None:
        """See `Builder`: the port gets a second name."""
        value.get_tensor().add_names({name})
        node = opset.result(value)
        node.set_friendly_name(name)
        self._results.append(node)

    def weight(self, name: str) -> Value:
        """See `Builder`."""
        return self._weight(name)

    def lookup(self, name: str, table: str, ids: Value) -> Value:
        """See `Builder`."""
        return named(opset.gather(self._weight(table), ids, self._number("axis.0", np.int64(0))), name)

    def leading_rows(self, name: str, table: str, like: Value) -> Value:
        """See `Builder`."""
        zero, one = self._numbers(0), self._numbers(1)
        axis = self._number("axis.0", np.int64(0))
        shape = named(opset.shape_of(like), f"{name}.shape")
        length = named(opset.gather(shape, one, axis), f"{name}.length")
        return named(opset.slice(self._weight(table), zero, length, one, zero), name)

    def rows(self, name: str, table: str, start: Value, count: Value) -> Value:
        """See `Builder`: rows behind the last one are NaN, since OpenVINO checks neither lookups nor slices.

        Nor would a wrong shape do: with INFERENCE_NUM_THREADS=1 its CPU plugin (2026.4) swallows errors of shape
        inference and answers with the last run's numbers.
        """
        last = self._weights.shape(table)[0] - 1
        places = self.count(f"{name}.places", start, self.combine(f"{name}.end", "add", start, count))
        found = self.lookup(f"{name}.found", table, self.combine(f"{name}.known", "least", places, last))
        beyond = self.reshape(f"{name}.column", self.combine(f"{name}.beyond", "greater", places, last), (-1, 1))
        nothing = self.constant(f"{name}.nothing", np.asarray(np.nan, np.float32))
        return self.choose(name, beyond, nothing, found)

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
        """See `Builder`."""
        product = opset.matmul(x, self._kernel(weight, inputs=0 if turned else 1, flat=flat), False, not turned)
        if bias is None:
            return named(product, name)
        return named(opset.add(named(product, f"{name}.product"), self._weight(bias)), name)

    def norm(self, name: str, x: Value, weight: str, bias: str, epsilon: float) -> Value:
        """See `Builder`."""
        plain = named(opset.mvn(x, self._numbers(-1), True, epsilon, "inside_sqrt"), f"{name}.normalized")
        scaled = named(opset.multiply(plain, self._weight(weight)), f"{name}.scaled")
        return named(opset.add(scaled, self._weight(bias)), name)

    def activate(self, name: str, x: Value, kind: str) -> Value:
        """See `Builder`."""
        if kind in _ACTIVATIONS:
            return named(_ACTIVATIONS[kind](x), name)
        x.get_tensor().add_names({name})  # linear
        return x

    def split(self, name: str, x: Value, heads: int, size: int, axes: tuple[int, int, int, int]) -> Value:
        """See `Builder`."""
        parted = named(opset.reshape(x, self._numbers(0, 0, heads, size), True), f"{name}.parted")
        return named(opset.transpose(parted, self._numbers(*axes)), name)

    def merge(self, name: str, x: Value, width: int) -> Value:
        """See `Builder`."""
        back = named(opset.transpose(x, self._numbers(0, 2, 1, 3)), f"{name}.parted")
        return named(opset.reshape(back, self._numbers(0, 0, width), True), name)

    def hide(self, name: str, mask: Value) -> Value:
        """See `Builder`."""
        wide = named(opset.unsqueeze(mask, self._numbers(1, 2)), f"{name}.axes")
        visible = named(opset.convert(wide, "f32"), f"{name}.visible")
        hidden = named(opset.subtract(self._number("number.1", np.float32(1)), visible), f"{name}.hidden")
        return named(opset.multiply(hidden, self._number("number.lowest", np.finfo(np.float32).min)), name)

    def _parameter(self, name: str, axes: Sequence[Any], dtype: Any) -> Value:
        node = opset.parameter(ov.PartialShape(list(axes)), dtype)
        self._parameters.append(node)
        return named(node, name)

    def _kernel(self, name: str, *, inputs: int, flat: tuple[int, int] | None) -> Value:
        """A dense layer's weight, its axis `inputs` summed over; as integers where asked for, unless it is a table."""
        if not self._integers or name in self._constants:
            return self._number(name, lambda: self._read(name, flat))
        weight = self._read(name, flat)
        scale = np.abs(weight).max(axis=inputs, keepdims=True) / np.float32(_MOST)
        steps = np.rint(np.divide(weight, scale, out=np.zeros_like(weight), where=scale > 0)).astype(np.int8)
        integers = opset.convert(self._number(name + INTEGERS, steps), "f32")
        return named(opset.multiply(integers, self._number(name + SCALE, scale)), name)

    def _read(self, name: str, flat: tuple[int, int] | None) -> Array:
        array = self._weights.read(name)
        return array if flat is None else array.reshape(flat)

    def _weight(self, name: str) -> Value:
        return self._number(name, lambda: self._weights.read(name))


_ACTIVATIONS: Mapping[str, Callable[[Value], Any]] = {
    "gelu_erf": lambda x: opset.gelu(x, "erf"),
    "gelu_tanh": lambda x: opset.gelu(x, "tanh"),
    "relu": opset.relu,
    "swish": opset.swish,
    "tanh": opset.tanh,
}
