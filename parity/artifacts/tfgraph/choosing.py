"""What of a graph is to be converted: which outputs, from which inputs, in which sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from parity.artifacts.tfgraph.bert import find_inputs, find_tap, is_bert, last_layer
from parity.artifacts.tfgraph.freezing import Feed
from parity.artifacts.tfgraph.ports import Shape, dtype_of, shape_of
from parity.artifacts.tfgraph.reaching import reach
from parity.artifacts.tfgraph.reading import META, Graph, data_inputs
from parity.artifacts.tfgraph.spec import InputSpec, Port
from parity.checkpoints import Checkpoint
from parity.errors import ParityError, Problems

_HEADS = ("logits.mlm", "logits.nsp", "logits.classifier", "logits.tokens", "logits.qa")


@dataclass(frozen=True)
class Sizes:
    """Shapes for all inputs, and how they are said."""

    text: str
    shapes: tuple[Shape, ...]


def choose_outputs(graph: Graph, wanted: Sequence[Port], checkpoint: Checkpoint | None) -> tuple[Port, ...]:
    """The outputs named; else what a frozen graph ends in, and of a BERT's `.meta` its last layer, pooler and logits.

    Raises:
        ParityError: one named is not there, or none is named where nothing tells which are meant.
    """
    problems = Problems("the graph has other outputs", where=graph.where)
    for port in wanted:
        if port.name not in graph.nodes:
            problems.add(f"the graph has no node {port.name}", remedy="mend --output")
    problems.raise_if_any()
    if wanted:
        return tuple(wanted)
    if graph.where.suffix != META:
        read = {port.name for node in graph.nodes.values() for port in data_inputs(node)}
        ends = [Port(name) for name in graph.nodes if name not in read]
        ends = [port for port in ends if reach(graph, [port]).sources]
        if ends:
            return tuple(ends)
    if not is_bert(graph):
        raise ParityError("nothing tells which outputs are meant", where=graph.where, remedy="name them with --output")
    return _bert_outputs(graph, checkpoint)


def _bert_outputs(graph: Graph, checkpoint: Checkpoint | None) -> tuple[Port, ...]:
    last = last_layer(graph)
    fed = set(find_inputs(graph).values())
    found = []
    for tap in (f"layer.{last}", "pooler", *_HEADS):
        place = find_tap(graph, tap)
        if isinstance(place, str):
            continue
        reached = reach(graph, [place.port], fed)
        held = checkpoint is None or all(name in checkpoint.entries for name in reached.variables.values())
        if held and not reached.sources:
            found.append(place.port)
    return tuple(found)


def choose_inputs(graph: Graph, outputs: Sequence[Port], wanted: Sequence[InputSpec]) -> tuple[Feed, ...]:
    """A placeholder for each input named, else for each place where the outputs' batches come from.

    Raises:
        ParityError: one named is not there, or the outputs do not depend on it, or its type is not told anywhere.
    """
    specs = tuple(wanted) or tuple(InputSpec(port) for port in _inputs(graph, outputs))
    problems = Problems("the graph has other inputs", where=graph.where)
    for spec in specs:
        if spec.port.name not in graph.nodes:
            problems.add(f"the graph has no node {spec.port.name}", remedy="mend --input")
    problems.raise_if_any()
    ports = {spec.port for spec in specs}
    used = reach(graph, [port for port in outputs if port not in ports], ports).fed
    for port in ports & set(outputs):
        problems.add(f"{port} is named as input and as output", remedy="mend --input or --output")
    for spec in specs:
        if spec.port not in used:
            problems.add(f"the outputs do not depend on {spec.port}", remedy="leave it out of --input")
    problems.raise_if_any()
    return tuple(_feed(graph, spec) for spec in specs)


def _inputs(graph: Graph, outputs: Sequence[Port]) -> Sequence[Port]:
    known = tuple(find_inputs(graph).values()) if is_bert(graph) else ()
    order = {name: number for number, name in enumerate(graph.nodes)}
    reached = reach(graph, outputs, known)
    return sorted((*reached.fed, *reached.sources), key=lambda port: (order[port.name], port.index))


def _feed(graph: Graph, spec: InputSpec) -> Feed:
    port, within = spec.port, dtype_of(graph, spec.port)
    if within is None and spec.dtype is None:
        raise ParityError(
            f"the graph does not tell the type of {port}", where=graph.where, remedy=f"name it: --input {port}{{i32}}"
        )
    plain = graph.node(port.name).op in ("Placeholder", "PlaceholderV2")
    name = port.name if plain else f"{port.name}/placeholder_out_port_{port.index}"
    dtype = spec.dtype or within or ""
    return Feed(port, name, dtype, within or dtype, spec.shape)


def choose_sizes(graph: Graph, feeds: Sequence[Feed]) -> tuple[Sizes, ...]:
    """Sizes to try, the freest first: all free, rows free, as declared. What `--input` says is taken as it stands.

    Raises:
        ParityError: neither graph nor option tells how many axes an input has.
    """
    declared = [shape_of(graph, feed.port) if feed.shape is None else feed.shape for feed in feeds]
    bert = set(find_inputs(graph).values()) if is_bert(graph) else set()
    known: list[Shape] = []
    for feed, shape in zip(feeds, declared, strict=True):
        # Old files declare a shape that is not known as one without axes.
        unsaid = shape is None or (feed.port in bert and feed.shape is None and len(shape) != 2)
        if unsaid and feed.port not in bert:
            raise ParityError(
                f"the graph does not tell the shape of {feed.port}",
                where=graph.where,
                remedy=f"name it: --input {feed.port}[1,128]",
            )
        known.append((None, None) if unsaid or shape is None else shape)
    said = [feed.shape is not None for feed in feeds]
    pairs = list(zip(known, said, strict=True))
    free = tuple(shape if fixed else (None,) * len(shape) for shape, fixed in pairs)
    rows = tuple(shape if fixed or not shape else (None, *shape[1:]) for shape, fixed in pairs)
    tries = (
        Sizes("every size free", free),
        Sizes("rows free, the other sizes as declared", rows),
        Sizes("as declared", tuple(known)),
    )
    if all(said):
        return (Sizes("as --input says", tuple(known)),)
    return tuple(one for number, one in enumerate(tries) if one.shapes not in [t.shapes for t in tries[:number]])


def sized(feeds: Sequence[Feed], sizes: Sizes) -> tuple[Feed, ...]:
    """The feeds in these sizes."""
    return tuple(replace(feed, shape=shape) for feed, shape in zip(feeds, sizes.shapes, strict=True))
