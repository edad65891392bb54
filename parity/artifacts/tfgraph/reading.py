"""A `.meta` or frozen `.pb` taken apart without running anything of it.

TensorFlow's protobuf classes parse the file, TensorFlow itself never sees it: what is checked here is the very object
that later steps take their nodes from, so that no second reader can understand the bytes in another way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.artifacts.tfgraph.operations import FORBIDDEN, NUMBERS
from parity.artifacts.tfgraph.quiet import unheard
from parity.artifacts.tfgraph.spec import Port
from parity.errors import MissingRuntime, ParityError, Problems
from parity.tensorfile import numpy_dtype

META = ".meta"
MOST_BYTES = (1 << 31) - 1
"""What a protobuf message can hold."""
_MOST_META = 1 << 29
_MOST_NODES = 1 << 20
_MOST_SPREAD = 1 << 26
"""Bytes that constants may take beyond what the file holds of them: one number can stand for a whole tensor."""
_INPUT = re.compile(r"\^?[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*(?::\d{1,5})?")
_REMEDY = "take the graph from its publisher again"


@dataclass(frozen=True)
class Graph:
    """A parsed graph. Nodes are TensorFlow's `NodeDef` and are never changed."""

    where: Path
    nodes: Mapping[str, Any]
    versions: Any
    producer: str
    """The TensorFlow that wrote it, where the file says so."""
    functions: int
    """In its library, which is never imported."""

    def node(self, name: str) -> Any:
        """The node of that name.

        Raises:
            ParityError: there is none.
        """
        if name not in self.nodes:
            raise ParityError(f"the graph has no node {name}", where=self.where, remedy="check the name")
        return self.nodes[name]


def read_graph(path: Path) -> Graph:
    """Read a `.meta` (MetaGraphDef) or any other file as a binary GraphDef.

    Raises:
        ParityError: unreadable, too large, no graph, or one with a forbidden operation anywhere.
        MissingRuntime: TensorFlow is not installed.
    """
    data = _bytes(path)
    graph, producer = _parsed(path, data)
    if len(graph.node) > _MOST_NODES:
        raise ParityError("too many nodes for a model", where=path, got=len(graph.node), expected=f"<= {_MOST_NODES}")
    if not graph.node:
        raise ParityError("holds no graph", where=path, remedy="name a .meta file or a frozen GraphDef (.pb)")
    refuse_forbidden(graph, path)
    nodes: dict[str, Any] = {}
    for node in graph.node:
        if node.name in nodes:
            raise ParityError(f"two nodes are called {node.name}", where=path, remedy=_REMEDY)
        wrong = [text for text in node.input if not _INPUT.fullmatch(text)]
        if wrong or not _INPUT.fullmatch(node.name):
            shown = wrong[0] if wrong else node.name
            raise ParityError("a node has an impossible name or input", where=path, got=shown[:80], remedy=_REMEDY)
        nodes[node.name] = node
    return Graph(path, nodes, graph.versions, producer, len(graph.library.function))


def refuse_forbidden(graph: Any, path: Path) -> None:
    """Refuse Python callbacks, file access and the network, in the graph and in the functions of its library.

    Raises:
        ParityError: naming every such operation and where it stands.
    """
    problems = Problems("the graph holds operations that are never run here", where=path)
    places = [(node, "") for node in graph.node]
    for function in graph.library.function:
        places += [(node, f" in function {function.signature.name}") for node in function.node_def]
    for node, inside in places:
        called = sorted({name for attr in node.attr.values() for name in _called(attr)} | {node.op})
        for op in FORBIDDEN.intersection(called):
            problems.add(f"the graph holds operation {op} (node {node.name}{inside})", remedy="do not use this file")
    problems.raise_if_any()


def data_inputs(node: Any) -> list[Port]:
    """What a node computes from; control edges order side effects, of which a kept node has none."""
    found = []
    for text in node.input:
        if text.startswith("^"):
            continue
        name, _, index = text.partition(":")
        found.append(Port(name, int(index or 0)))
    return found


def check_constants(nodes: Iterable[Any], path: Path) -> None:
    """Check that every constant's bytes are those of its type and shape, before anyone allocates them.

    Raises:
        ParityError: strings or other things that are no numbers, or sizes that do not fit.
    """
    problems, spread = Problems("constants that cannot be", where=path), 0
    for node in nodes:
        tensor = node.attr["value"].tensor
        dtype, shape = NUMBERS.get(tensor.dtype), [dim.size for dim in tensor.tensor_shape.dim]
        if dtype is None or node.attr["dtype"].type != tensor.dtype:
            problems.add(f"constant {node.name} holds no numbers", got=f"DataType {tensor.dtype}", remedy=_REMEDY)
            continue
        if tensor.tensor_shape.unknown_rank or min(shape, default=0) < 0 or max(shape, default=0) > MOST_BYTES:
            problems.add(f"constant {node.name} has an impossible shape", got=shape, remedy=_REMEDY)
            continue
        needed = math.prod(shape) * numpy_dtype(dtype).itemsize
        held = tensor.ByteSize()
        if tensor.tensor_content and len(tensor.tensor_content) != needed:
            got = f"{len(tensor.tensor_content)} bytes"
            problems.add(f"constant {node.name} has another size", got=got, expected=needed, remedy=_REMEDY)
        spread += max(needed - held, 0)
    if spread > _MOST_SPREAD:
        got, expected = f"{spread} bytes more than the file", f"at most {_MOST_SPREAD}"
        problems.add("constants take far more than the file holds", got=got, expected=expected, remedy=_REMEDY)
    problems.raise_if_any()


def _called(attr: Any) -> list[str]:
    kind = attr.WhichOneof("value")
    if kind == "func":
        return [attr.func.name, *(name for inner in attr.func.attr.values() for name in _called(inner))]
    if kind == "list":
        return [name for func in attr.list.func for name in (func.name, *_nested(func))]
    return []


def _nested(func: Any) -> list[str]:
    return [name for inner in func.attr.values() for name in _called(inner)]


def _bytes(path: Path) -> bytes:
    limit = _MOST_META if path.suffix == META else MOST_BYTES
    try:
        size = path.stat().st_size
        if size > limit:
            raise ParityError("too large for a graph", where=path, got=f"{size} bytes", expected=f"at most {limit}")
        return path.read_bytes()
    except OSError as error:
        raise ParityError(
            f"cannot read the graph: {error.strerror}", where=path, remedy="name a .meta file or a frozen .pb"
        ) from error


def _parsed(path: Path, data: bytes) -> tuple[Any, str]:
    try:
        with unheard():
            from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]
            from tensorflow.core.framework import graph_pb2
            from tensorflow.core.protobuf import meta_graph_pb2
    except ImportError as error:
        raise MissingRuntime(
            "the authors' graphs are read with TensorFlow, not installed here",
            remedy='pip install "parity[tensorflow]"',
        ) from error
    try:
        if path.suffix == META:
            meta = meta_graph_pb2.MetaGraphDef.FromString(data)
            return meta.graph_def, str(meta.meta_info_def.tensorflow_version)
        return graph_pb2.GraphDef.FromString(data), ""
    except (DecodeError, RecursionError) as error:
        kind = "MetaGraphDef" if path.suffix == META else "GraphDef"
        raise ParityError(
            f"not a binary {kind}", where=path, remedy="a frozen graph ends in .pb, a checkpoint's in .meta; no text"
        ) from error
