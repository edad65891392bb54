"""Writes an ONNX file from a Hugging Face folder: opset 20, float32, batch and length free.

The file is written as a stream, one weight at a time, because protobuf itself would hold everything two or three
times. From 2 GB on, protobuf's limit, weights go to `model.onnx.data`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from parity import __version__
from parity.artifacts.graph_export import draw, read_source
from parity.artifacts.graph_texts import TEXTS
from parity.artifacts.onnx_nodes import OnnxNodes, Stored
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


class OnnxBuilder(OnnxNodes):
    """Draws ONNX nodes and writes them to a file."""

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

    def _write_one(self, path: Path, model: Any, graph: Any, stored: Iterable[Stored]) -> None:
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
                file.write(item.read(self._weights))

    def _write_two(self, out: Path, model: Any, graph: Any, stored: Iterable[Stored]) -> None:
        with (out / DATA).open("wb") as file:
            for item in stored:
                file.write(bytes(-file.tell() % _ALIGNMENT))
                tensor = _tensor(item)
                tensor.data_location = TensorProto.EXTERNAL
                for key, value in (("location", DATA), ("offset", file.tell()), ("length", item.nbytes)):
                    tensor.external_data.add(key=key, value=str(value))
                graph.initializer.append(tensor)
                file.write(item.read(self._weights))
        model.graph.CopyFrom(graph)
        (out / FILE).write_bytes(model.SerializeToString(deterministic=True))


def _tensor(item: Stored) -> Any:
    return TensorProto(name=item.name, data_type=TensorProto.FLOAT, dims=item.shape)
