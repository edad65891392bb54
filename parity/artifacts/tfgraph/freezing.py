"""From a graph and its checkpoint to a small graph of nothing but arithmetic: wanted outputs, inputs cut, no variables.

Nothing of the graph is run for it. What the outputs do not need (saving, iterators, gradients, optimizers, summaries)
is left out, with all control edges, devices, colocations and functions; variables become constants with what our own
reader finds in the checkpoint; dropout becomes an identity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.artifacts.tfgraph.dropout import behind_dropout
from parity.artifacts.tfgraph.operations import COMPUTE, NUMBERS, RANDOM, READS, SOURCES, TYPES, VARIABLES
from parity.artifacts.tfgraph.ports import Shape
from parity.artifacts.tfgraph.reading import MOST_BYTES, Graph, check_constants, data_inputs
from parity.artifacts.tfgraph.spec import Port
from parity.errors import ParityError, Problems
from parity.tensorfile import Array

_SHOWN = 3


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
class Reached:
    """What outputs need, as far as feeds do not stand in for it."""

    nodes: dict[str, Any]
    dropouts: Mapping[str, Port]
    """Ends of dropouts, and what passes through them."""
    sources: tuple[Port, ...]
    """Where batches come from that nobody feeds."""
    fed: frozenset[Port]
    """Feeds that the outputs depend on."""
    absent: tuple[str, ...]
    """Nodes that others name and that are not there."""

    @property
    def variables(self) -> dict[str, str]:
        """Variables by node, and the names they are saved under."""
        return {name: saved_name(node) for name, node in self.nodes.items() if node.op in VARIABLES}


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


def saved_name(node: Any) -> str:
    """The name a variable is saved under."""
    shared = node.attr["shared_name"].s if node.op == "VarHandleOp" and "shared_name" in node.attr else b""
    return str(shared, "utf-8", "replace") or str(node.name)


def reach(graph: Graph, outputs: Collection[Port], fed: Collection[Port] = ()) -> Reached:
    """Walk from outputs to feeds, variables and constants; nothing is judged yet."""
    nodes: dict[str, Any] = {}
    dropouts: dict[str, Port] = {}
    sources: dict[Port, None] = {}
    absent: dict[str, None] = {}
    met: set[Port] = set()
    todo = list(outputs)
    while todo:
        port = todo.pop()
        if port in fed:
            met.add(port)
            continue
        node = graph.nodes.get(port.name)
        if node is None:
            absent[port.name] = None
        elif node.op in SOURCES:
            sources[port] = None
        elif port.name not in nodes:
            nodes[port.name] = node
            passed = behind_dropout(graph, node)
            if passed is not None:
                dropouts[port.name] = passed
                todo.append(passed)
            elif node.op not in VARIABLES:
                todo += data_inputs(node)
    return Reached(nodes, dropouts, tuple(sources), frozenset(met), tuple(absent))


def check(graph: Graph, reached: Reached) -> None:
    """Refuse what may not run here, all of it by name.

    Raises:
        ParityError: an operation outside the whitelist, an input that nobody feeds, a graph with nodes missing.
    """
    problems = Problems("the graph cannot be run", where=graph.where)
    for op, names in _by_operation(node for node in reached.nodes.values() if not _allowed(node, reached)).items():
        what = f"the outputs need operation {op}, which is not run here (node {_listed(names)})"
        chance = op in RANDOM
        problems.add(
            what, remedy="it is no dropout of a known form" if chance else "cut the graph behind it with --input"
        )
    for port in reached.sources:
        op = graph.nodes[port.name].op
        problems.add(f"the outputs need {port} ({op}), which nobody feeds", remedy=f"name it: --input {port}")
    for name in reached.absent:
        problems.add(f"the graph lacks node {name}, which others compute from", remedy="take another graph")
    problems.raise_if_any()
    constants = (n for n in reached.nodes.values() if n.op == "Const" and n.name not in reached.dropouts)
    check_constants(constants, graph.where)


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


def _allowed(node: Any, reached: Reached) -> bool:
    if node.name in reached.dropouts or node.op in VARIABLES:
        return True
    if node.op in READS:
        handle = reached.nodes.get(data_inputs(node)[0].name) if data_inputs(node) else None
        plain = "batch_dims" not in node.attr or node.attr["batch_dims"].i == 0
        return handle is not None and handle.op == "VarHandleOp" and plain
    calls = any(attr.WhichOneof("value") == "func" or attr.list.func for attr in node.attr.values())
    resources = any(
        (first := reached.nodes.get(port.name)) is not None and first.op == "VarHandleOp" for port in data_inputs(node)
    )
    return node.op in COMPUTE and not calls and not resources


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


def variable_form(node: Any) -> tuple[str | None, tuple[int, ...] | None]:
    """Dtype name and shape that the graph declares for a variable; None where it declares none."""
    shape = node.attr["shape"].shape
    sizes = None if shape.unknown_rank else tuple(int(dim.size) for dim in shape.dim)
    return NUMBERS.get(node.attr["dtype"].type), None if sizes is None or min(sizes, default=0) < 0 else sizes


def _by_operation(nodes: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node.op, []).append(node.name)
    return dict(sorted(found.items()))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
