"""What outputs need of a graph: a walk back from them to feeds, variables and constants, and its judgement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.artifacts.tfgraph.dropout import behind_dropout
from parity.artifacts.tfgraph.operations import COMPUTE, RANDOM, READS, SOURCES, VARIABLES
from parity.artifacts.tfgraph.reading import Graph, check_constants, data_inputs
from parity.artifacts.tfgraph.spec import Port
from parity.errors import Problems

_SHOWN = 3


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


def _by_operation(nodes: Iterable[Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node.op, []).append(node.name)
    return dict(sorted(found.items()))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
