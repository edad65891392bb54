"""From a graph and its checkpoint to a small graph of nothing but arithmetic: wanted outputs, inputs cut, no variables.

Nothing of the graph is run for it. What the outputs do not need (saving, iterators, gradients, optimizers, summaries)
is left out, with all control edges, devices, colocations and functions; variables become constants with what our own
reader finds in the checkpoint; dropout becomes an identity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.artifacts.tfgraph.operations import READS, TYPES, VARIABLES
from parity.artifacts.tfgraph.ports import Shape
from parity.artifacts.tfgraph.reaching import Reached, check, reach, saved_name
from parity.artifacts.tfgraph.reading import MOST_BYTES, Graph, data_inputs
from parity.artifacts.tfgraph.spec import Port
from parity.errors import ParityError
from parity.tensorfile import Array


@dataclass(frozen=True)
class Feed:
    """A placeholder in the place of some output of the graph."""

    port: Port
    name: str
    dtype: str
    """Of the placeholder; where the graph reads another type, a cast stands between."""
    within: str
    """What the graph reads."""
    shape: Shape | None


@dataclass(frozen=True)
class Frozen:
    """A graph that may be run, as a `GraphDef`."""

    graph: Any
    feeds: tuple[Feed, ...]
    outputs: tuple[Port, ...]
    variables: Mapping[str, str]
    dropouts: tuple[str, ...]
    left: Mapping[str, int] = field(default_factory=dict)
    """Operations of the graph that the outputs do not need, and how many of each."""


def freeze(graph: Graph, outputs: Sequence[Port], feeds: Sequence[Feed], read: Callable[[str, Any], Array]) -> Frozen:
    """The graph between feeds and outputs.

    Args:
        graph: as read.
        outputs: what is wanted.
        feeds: placeholders, and what they stand for.
        read: gives a variable's values by the name it is saved under, and its node to compare with.

    Raises:
        ParityError: see `check`; or a variable cannot be read, or all together exceed what a graph file can hold.
    """
    from tensorflow.core.framework import graph_pb2

    for port in outputs:
        graph.node(port.name)
    fed = {feed.port: feed for feed in feeds}
    reached = reach(graph, outputs, fed)
    check(graph, reached)
    made = graph_pb2.GraphDef()
    made.versions.CopyFrom(graph.versions)
    names = {port: feed.name if feed.dtype == feed.within else f"{feed.name}/cast" for port, feed in fed.items()}
    for feed in feeds:
        if feed.name in reached.nodes or f"{feed.name}/cast" in reached.nodes:
            raise ParityError(f"the name {feed.name} is taken", where=graph.where, remedy="feed another port")
        _placeholder(made, feed)
    size = 0
    for name, node in reversed(reached.nodes.items()):
        new = made.node.add(name=name)
        if node.op in VARIABLES:
            size += _constant(new, read(saved_name(node), node))
            if size > MOST_BYTES - (1 << 26):
                raise ParityError(
                    "the variables do not fit into one graph file", where=graph.where, expected="less than 2 GiB"
                )
        else:
            _copy(new, node, reached, names)
    left = Counter(node.op for name, node in graph.nodes.items() if name not in reached.nodes)
    dropouts = tuple(sorted(reached.dropouts))
    return Frozen(made, tuple(feeds), tuple(outputs), reached.variables, dropouts, dict(left.most_common()))


def _copy(new: Any, node: Any, reached: Reached, names: Mapping[Port, str]) -> None:
    def spelt(port: Port) -> str:
        return names.get(port) or (f"{port.name}:{port.index}" if port.index else port.name)

    passed = reached.dropouts.get(node.name)
    if passed is not None:
        new.op = "Identity"
        new.input.append(spelt(passed))
        new.attr["T"].CopyFrom(node.attr["T"])
        return
    new.input.extend(map(spelt, data_inputs(node)))
    if node.op in READS:
        _read(new, node)
        return
    new.op = node.op
    for key, value in node.attr.items():
        # Leading underscores: colocation, inferred shapes, clusters; hints to a runtime, no part of the computation.
        if not key.startswith("_"):
            new.attr[key].CopyFrom(value)


def _read(new: Any, node: Any) -> None:
    """Reading a resource becomes the same on a constant."""
    dtype = node.attr["dtype"].type
    if node.op == "ReadVariableOp":
        new.op, new.attr["T"].type = "Identity", dtype
        return
    new.attr["Tparams"].type, new.attr["Tindices"].type = dtype, node.attr["Tindices"].type
    # `Gather` is GatherV2 along the first axis, and needs no node for the axis.
    new.op = "Gather" if node.op == "ResourceGather" else "GatherNd"


def _placeholder(made: Any, feed: Feed) -> None:
    node = made.node.add(name=feed.name, op="Placeholder")
    node.attr["dtype"].type = TYPES[feed.dtype]
    _declare(node, feed)
    if feed.dtype != feed.within:
        cast = made.node.add(name=f"{feed.name}/cast", op="Cast", input=[feed.name])
        cast.attr["SrcT"].type, cast.attr["DstT"].type = TYPES[feed.dtype], TYPES[feed.within]


def _declare(node: Any, feed: Feed) -> None:
    node.attr["shape"].Clear()
    shape = node.attr["shape"].shape
    if feed.shape is None:
        shape.unknown_rank = True
    else:
        shape.SetInParent()
        for size in feed.shape:
            shape.dim.add(size=-1 if size is None else size)


def resize(frozen: Frozen, feeds: Sequence[Feed]) -> Frozen:
    """The same graph with its placeholders declared in other sizes; the `GraphDef` is changed, not copied."""
    by_name = {feed.name: feed for feed in feeds}
    for node in frozen.graph.node:
        if node.name in by_name:
            _declare(node, by_name[node.name])
    return replace(frozen, feeds=tuple(feeds))


def _constant(node: Any, array: Array) -> int:
    node.op, node.attr["dtype"].type = "Const", TYPES[array.dtype.name]
    tensor = node.attr["value"].tensor
    tensor.dtype = TYPES[array.dtype.name]
    tensor.tensor_shape.SetInParent()
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = np.ascontiguousarray(array).tobytes()
    return array.nbytes
