"""Writes an ONNX file from a Hugging Face folder: opset 20, float32, batch and length free.

The file is written as a stream, one weight at a time, because protobuf itself would hold everything two or three
times. Dense weights are stored as [in,out], so that a runtime has nothing to turn; the vocabulary table is stored
once, for the embedding as for the vocabulary product. From 2 GB on, protobuf's limit, weights go to `model.onnx.data`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from parity import __version__
from parity.artifacts.graph_bert import TEXTS
from parity.artifacts.graph_export import Value, Weights, draw, read_source
from parity.errors import ParityError
from parity.graphfile.wire import head

FILE = "model.onnx"
DATA = "model.onnx.data"
OPSET = 20
_SINGLE_FILE = (1 << 31) - (1 << 24)
_ALIGNMENT = 4096
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9


def export(pytorch_dir: Path, out: Path, *, single_file: int = _SINGLE_FILE) -> None:
    """Write `model.onnx` (and `model.onnx.data` where it is too large) into the folder `out`.

    Args:
        pytorch_dir: a Hugging Face folder, its class named in config.json.
        out: an existing folder; the caller owns its name and what else lies there.
        single_file: bytes of weights from which they go to a file of their own.

    Raises:
        ParityError: the folder is no model that can be drawn, or the disk is full.
    """
    source = read_source(pytorch_dir)
    builder = OnnxBuilder(source.weights)
    draw(source, builder, TEXTS)
    builder.write(out, name=source.target_class, single_file=single_file)


@dataclass(frozen=True)
class _Stored:
    """A weight that becomes an initializer under its own name."""

    name: str
    turned: bool
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * 4


class OnnxBuilder:
    """Draws ONNX nodes; a value is its name."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._stored: dict[str, _Stored] = {}
        self._constants: dict[str, Any] = {}

    def input(self, name: str, longest: int) -> Value:
        """See `Builder`: ONNX has no bounds; too long a sequence fails where positions are added."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]))
        return name

    def output(self, name: str, value: Value, axes: tuple[str | int, ...]) -> None:
        """See `Builder`: a second name for a value is a node of its own in ONNX."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, axes))
        self._node("Identity", name, value)

    def lookup(self, name: str, table: str, ids: Value) -> Value:
        """See `Builder`."""
        return self._node("Gather", name, self._weight(table), ids, axis=0)

    def leading_rows(self, name: str, table: str, like: Value) -> Value:
        """See `Builder`."""
        length = self._node("Shape", f"{name}.length", like, start=1, end=2)
        zero = self._numbers(0)
        return self._node("Slice", name, self._weight(table), zero, length, zero)

    def dense(self, name: str, x: Value, weight: str, bias: str) -> Value:
        """See `Builder`. A weight that is a table as well is stored once and turned by the runtime."""
        turned = (
            self._node("Transpose", f"{name}.kernel", weight, perm=(1, 0))
            if weight in self._stored
            else self._weight(weight, turned=True)
        )
        product = self._node("MatMul", f"{name}.product", x, turned)
        return self._node("Add", name, product, self._weight(bias))

    def norm(self, name: str, x: Value, weight: str, bias: str, epsilon: float) -> Value:
        """See `Builder`."""
        return self._node("LayerNormalization", name, x, self._weight(weight), self._weight(bias), epsilon=epsilon)

    def activate(self, name: str, x: Value, kind: str) -> Value:
        """See `Builder`."""
        operator, attributes = _ACTIVATIONS[kind]
        return self._node(operator, name, x, **attributes)

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

    def token(self, name: str, x: Value, position: int) -> Value:
        """See `Builder`."""
        return self._node("Gather", name, x, self._constant(f"index.{position}", np.int64(position)), axis=1)

    def channel(self, name: str, x: Value, index: int) -> Value:
        """See `Builder`."""
        return self._node("Gather", name, x, self._constant(f"index.{index}", np.int64(index)), axis=2)

    def write(self, out: Path, *, name: str, single_file: int = _SINGLE_FILE) -> None:
        """Write what was drawn.

        Args:
            out: an existing folder.
            name: the graph's name.
            single_file: bytes of weights from which they go to a file of their own.

        Raises:
            ParityError: the disk is full, or the folder cannot be written to.
        """
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, initializer=list(self._constants.values())
        )
        opset = helper.make_opsetid("", OPSET)
        model = onnx.ModelProto(
            ir_version=9, opset_import=[opset], producer_name="parity", producer_version=__version__
        )
        stored = list(self._stored.values())
        try:
            if sum(item.nbytes for item in stored) < single_file:
                self._write_one(out / FILE, model, graph, stored)
            else:
                self._write_two(out, model, graph, stored)
        except OSError as error:
            raise ParityError(f"cannot write: {error.strerror}", where=out, remedy="check free space") from error

    def _write_one(self, path: Path, model: Any, graph: Any, stored: Iterable[_Stored]) -> None:
        # GraphProto with all initializers behind its other fields, lengths computed ahead.
        front = graph.SerializeToString(deterministic=True)
        heads = [(item, _tensor(item).SerializeToString(deterministic=True)) for item in stored]
        pieces = [(item, proto + head(_RAW_DATA, item.nbytes)) for item, proto in heads]
        leads = [head(_INITIALIZER, len(piece) + item.nbytes) + piece for item, piece in pieces]
        size = len(front) + sum(len(lead) + item.nbytes for lead, (item, _) in zip(leads, pieces, strict=True))
        with path.open("wb") as file:
            file.write(model.SerializeToString(deterministic=True) + head(_GRAPH, size) + front)
            for lead, (item, _) in zip(leads, pieces, strict=True):
                file.write(lead)
                file.write(self._bytes(item))

    def _write_two(self, out: Path, model: Any, graph: Any, stored: Iterable[_Stored]) -> None:
        with (out / DATA).open("wb") as file:
            for item in stored:
                file.write(bytes(-file.tell() % _ALIGNMENT))
                tensor = _tensor(item)
                tensor.data_location = TensorProto.EXTERNAL
                for key, value in (("location", DATA), ("offset", file.tell()), ("length", item.nbytes)):
                    tensor.external_data.add(key=key, value=str(value))
                graph.initializer.append(tensor)
                file.write(self._bytes(item))
        model.graph.CopyFrom(graph)
        (out / FILE).write_bytes(model.SerializeToString(deterministic=True))

    def _bytes(self, item: _Stored) -> memoryview:
        array = self._weights.read(item.name)
        ordered = np.ascontiguousarray(array.T if item.turned else array, "<f4")
        return ordered.reshape(-1).view(np.uint8).data

    def _weight(self, name: str, *, turned: bool = False) -> str:
        shape = self._weights.shape(name)
        stored = self._stored.setdefault(name, _Stored(name, turned, shape[::-1] if turned else shape))
        assert stored.turned == turned, f"{name} is needed in both orientations"
        return name

    def _constant(self, name: str, value: Any) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def _numbers(self, *values: int) -> str:
        return self._constant("numbers." + ".".join(map(str, values)), np.asarray(values, np.int64))

    def _node(self, operator: str, name: str, *inputs: Value, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=f"node/{name}", **attributes))
        return name


_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "gelu_erf": ("Gelu", {"approximate": "none"}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
    "linear": ("Identity", {}),
}


def _tensor(item: _Stored) -> Any:
    return TensorProto(name=item.name, data_type=TensorProto.FLOAT, dims=item.shape)
