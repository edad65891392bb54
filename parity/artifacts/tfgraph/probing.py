"""Batches to try a graph with, and how far two runtimes are apart on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parity.artifacts.tfgraph.bert import POSITIONS, TYPES, WORDS, find_inputs, is_bert
from parity.artifacts.tfgraph.freezing import Feed
from parity.artifacts.tfgraph.operations import VARIABLES
from parity.artifacts.tfgraph.ports import variable_form
from parity.artifacts.tfgraph.reading import Graph
from parity.tensorfile import Array

_ROWS, _LENGTHS, _PLACES = (2, 3), (7, 5), (3, 2)
"""Sizes tried where a size is free; no length is another's multiple, none is 1, which would pass as any other."""


@dataclass(frozen=True)
class Limits:
    """What a BERT's inputs may hold."""

    words: int
    kinds: int
    positions: int


def limits(graph: Graph) -> Limits | None:
    """Rows of the embedding tables; None where the graph is no BERT."""
    if not is_bert(graph):
        return None
    words, kinds, positions = (_rows(graph, name) for name in (WORDS, TYPES, POSITIONS))
    return Limits(words or 2, kinds or 1, positions or 0)


def _rows(graph: Graph, name: str) -> int | None:
    node = graph.nodes.get(name)
    if node is None:
        return None
    if node.op in VARIABLES:
        shape = variable_form(node)[1]
        return shape[0] if shape else None
    sizes = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
    return int(sizes[0]) if node.op == "Const" and sizes else None


def probes(graph: Graph, feeds: Sequence[Feed]) -> Iterator[dict[str, Array]]:
    """Two batches of different sizes, as far as sizes are free, from a fixed seed."""
    held = limits(graph)
    roles = {port: name for name, port in find_inputs(graph).items()} if held else {}
    rng = np.random.default_rng(11)
    for number in range(2):
        longest = held.positions if held and held.positions else _LENGTHS[number]
        usual = (_ROWS[number], min(_LENGTHS[number], longest))
        alike = [feed.shape for feed in feeds if roles.get(feed.port) != "logit_positions" and feed.shape]
        length = next((shape[1] for shape in alike if len(shape) == 2 and shape[1]), usual[1])
        batch = {}
        for feed in feeds:
            role = roles.get(feed.port, "")
            free = (usual[0], _PLACES[number] if role == "logit_positions" else length)
            sizes = feed.shape or ()
            shape = tuple(free[min(axis, 1)] if size is None else size for axis, size in enumerate(sizes))
            batch[feed.name] = _values(rng, role, shape, length, held, feed.dtype)
        yield batch


def _values(
    rng: np.random.Generator, role: str, shape: tuple[int, ...], length: int, held: Limits | None, dtype: str
) -> Array:
    if held and role == "attention_mask" and len(shape) == 2:
        # The first row is real throughout, each other loses a token more.
        real = shape[1] - np.minimum(np.arange(shape[0]), max(shape[1] - 1, 0))
        return (np.arange(shape[1]) < real[:, None]).astype(dtype)
    most = 2
    if held:
        most = {"input_ids": held.words, "token_type_ids": held.kinds, "logit_positions": length}.get(role, 2)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, most, shape).astype(dtype)


def apart(found: Sequence[Array], expected: Sequence[Array]) -> list[float]:
    """For each output, the largest difference relative to the largest value; infinite for another shape or NaN."""
    return [_apart(a, b) for a, b in zip(found, expected, strict=True)]


def _apart(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max()
    scale = max(float(np.abs(expected.astype(np.float64)).max()), 1e-30)
    return float(difference / scale) if np.isfinite(difference) else float("inf")
