"""The authors' own graph: a checkpoint's `.meta` on TensorFlow, float32, as they drew it.

What our reference is certified by: no line of `parity.families` decides what is computed here. Inputs are told by what
they feed, taps by the names of nodes; dropout is taken out, variables are read from the checkpoint, and nothing else
of the graph is touched. A training graph has the size of its batches drawn into it: rows and tokens are filled up to
it, and a batch that is longer is a declared skip. `--set graph=FILE` names another graph than `<checkpoint>.meta`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from parity.artifacts.tfgraph.bert import Place, activation, find_inputs, find_tap
from parity.artifacts.tfgraph.freezing import Feed, Frozen, freeze
from parity.artifacts.tfgraph.ports import dtype_of, shape_of
from parity.artifacts.tfgraph.reaching import check, reach
from parity.artifacts.tfgraph.reading import META, Graph, read_graph
from parity.artifacts.tfgraph.running import Running
from parity.artifacts.tfgraph.spec import Port
from parity.artifacts.tfgraph.variables import graph_of, missing, reader
from parity.backends.job import Job, check_settings
from parity.backends.metagraph_batches import Drawn, run_batch
from parity.checkpoints import Checkpoint, open_checkpoint
from parity.errors import ParityError
from parity.tensorfile import Array


class MetaGraph:
    """A session on the authors' graph, frozen between its inputs and the taps asked for."""

    def __init__(
        self,
        graph: Graph,
        frozen: Frozen,
        running: Running,
        *,
        places: Mapping[str, Place],
        unavailable: Mapping[str, str],
    ) -> None:
        # The session has the weights; a second copy of them is of no use.
        self._graph, self._frozen, self._running = graph, replace(frozen, graph=None), running
        self._places, self._unavailable = places, unavailable
        self._drawn = Drawn({feed.name: feed for feed in frozen.feeds})

    def describe(self) -> Mapping[str, str]:
        """Version of TensorFlow, of the one that drew the graph, and what the graph turned out to be."""
        return {
            "version": tf.__version__,
            "precision": "float32",
            "graph": self._graph.where.name,
            "drawn by": self._graph.producer or "unknown",
            "inputs": ", ".join(f"{feed.name} = {feed.port}" for feed in self._frozen.feeds),
            "size": self._drawn.text(),
            "activation": activation(self._graph) or "unknown",
            "dropouts taken out": str(len(self._frozen.dropouts)),
        }

    def unavailable(self) -> Mapping[str, str]:
        """Taps that the graph has no node for, or that need something that nobody can give."""
        return self._unavailable

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """All positions of all rows, filled up where the graph has a size of its own."""
        return run_batch(self._running, self._drawn, self._places, inputs)

    def close(self) -> None:
        """End the session; a second call does nothing."""
        self._running.close()


def open(job: Job) -> MetaGraph:  # noqa: A001 - the name every runtime module has
    """Read the checkpoint's graph, refuse what may not run, and freeze it.

    Raises:
        ParityError: no graph, one that holds or needs forbidden operations, another family than BERT, or a job that
            asks for what this graph cannot do.
    """
    check_settings(job, ("graph",))
    if job.precision != "float32":
        raise ParityError(f"{job.name} does not compute in {job.precision}", expected="float32")
    if job.given:
        raise ParityError(f"{job.name} cannot be given another runtime's values", remedy="--backend oracle")
    if job.family != "bert":
        raise ParityError(
            f"{job.name} knows the node names of bert only", got=job.family, remedy="--backend tensorflow"
        )
    with open_checkpoint(Path(job.source["checkpoint"])) as checkpoint:
        path = Path(job.settings["graph"]) if "graph" in job.settings else graph_of(checkpoint)
        graph = read_graph(path)
        feeds = find_feeds(graph)
        places, lacking = _places(graph, job.taps, feeds, checkpoint if path.suffix == META else None)
        outputs = tuple(place.port for place in places.values())
        frozen = freeze(graph, outputs, feeds, reader(checkpoint if path.suffix == META else None, path))
    running = Running(frozen, threads=job.threads, where=str(path))
    return MetaGraph(graph, frozen, running, places=places, unavailable=lacking)


def find_feeds(graph: Graph) -> tuple[Feed, ...]:
    """Placeholders under our names of inputs, in the types and sizes that the graph declares.

    Raises:
        ParityError: the graph shows no BERT's token ids.
    """
    found = find_inputs(graph)
    if "input_ids" not in found:
        what = "nothing in this graph is looked up in BERT's table of words"
        raise ParityError(what, where=graph.where, remedy="name another graph")
    feeds = []
    for name, port in found.items():
        dtype = dtype_of(graph, port) or "int32"
        feeds.append(Feed(port, name, dtype, dtype, shape_of(graph, port)))
    return tuple(feeds)


def _places(
    graph: Graph, taps: Sequence[str], feeds: Sequence[Feed], checkpoint: Checkpoint | None
) -> tuple[dict[str, Place], dict[str, str]]:
    """Taps that can be shown, and why the others cannot.

    Raises:
        ParityError: a tap needs an operation that is not run.
    """
    fed: set[Port] = {feed.port for feed in feeds}
    places: dict[str, Place] = {}
    lacking: dict[str, str] = {}
    for tap in taps:
        place = find_tap(graph, tap)
        if isinstance(place, str):
            lacking[tap] = place
            continue
        reached = reach(graph, [place.port], fed)
        absent = missing(graph, reached.variables, checkpoint) if checkpoint is not None else ()
        if reached.sources:
            lacking[tap] = f"its input {reached.sources[0]} is none that is known here"
        elif absent:
            lacking[tap] = f"the checkpoint has no variable {absent[0]}"
        else:
            check(graph, reached)
            places[tap] = place
    return places, lacking
