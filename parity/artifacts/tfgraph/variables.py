"""Variables of a graph, read from its checkpoint by our own reader: no operation of the graph restores anything."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from parity.artifacts.tfgraph.ports import variable_form
from parity.artifacts.tfgraph.reading import META, Graph
from parity.checkpoints import Checkpoint
from parity.errors import ParityError, Problems
from parity.tensorfile import Array


def graph_of(checkpoint: Checkpoint) -> Path:
    """The `.meta` beside a checkpoint.

    Raises:
        ParityError: there is none.
    """
    path = checkpoint.prefix.with_name(checkpoint.prefix.name + META)
    if not path.is_file():
        raise ParityError(
            "the checkpoint has no graph beside it", where=path, remedy="copy its .meta file from the publisher, too"
        )
    return path


def missing(graph: Graph, variables: Mapping[str, str], checkpoint: Checkpoint) -> tuple[str, ...]:
    """Variables by node that the checkpoint does not hold.

    Raises:
        ParityError: it holds one of them in another type or shape: it belongs to another graph.
    """
    problems = Problems("the checkpoint does not belong to this graph", where=checkpoint.prefix)
    for node, name in variables.items():
        entry = checkpoint.entries.get(name)
        if entry is None:
            continue
        dtype, shape = variable_form(graph.nodes[node])
        if dtype != entry.dtype or shape not in (None, entry.shape):
            problems.add(
                f"variable {name} is another one in {graph.where.name}",
                got=f"{entry.dtype}{list(entry.shape)}",
                expected=f"{dtype}{'' if shape is None else list(shape)}",
                remedy="take graph and checkpoint from one place",
            )
    problems.raise_if_any()
    return tuple(sorted(name for name in variables.values() if name not in checkpoint.entries))


def reader(checkpoint: Checkpoint | None, where: Path) -> Callable[[str, Any], Array]:
    """What `freeze` reads variables by; without a checkpoint every variable is refused."""

    def read(name: str, node: Any) -> Array:
        if checkpoint is None:
            remedy = "a frozen graph holds constants only; name the .meta with its checkpoint instead"
            raise ParityError(f"variable {node.name} has no value in this file", where=where, remedy=remedy)
        if name not in checkpoint.entries:
            near = difflib.get_close_matches(name, checkpoint.entries, n=1)
            raise ParityError(
                f"the checkpoint has no variable {name}, which the graph's outputs need",
                where=checkpoint.prefix,
                remedy=f"the nearest is {near[0]}" if near else "take graph and checkpoint from one place",
            )
        return checkpoint.read(name)

    return read
