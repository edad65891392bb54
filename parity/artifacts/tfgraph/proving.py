"""The proof of an IR made from a graph: each variable found among its constants, or said what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import parity
from parity.artifacts.graph_constants import Constant, constants
from parity.artifacts.proof import FILE, Dropped, Proof, TensorProof, sha256_array
from parity.artifacts.pytorch import hash_files
from parity.artifacts.tfgraph.bert import activation, is_bert
from parity.artifacts.tfgraph.choosing import Sizes
from parity.artifacts.tfgraph.dropout import scalar
from parity.artifacts.tfgraph.freezing import Feed, Frozen
from parity.artifacts.tfgraph.ir import IR
from parity.artifacts.tfgraph.operations import NUMBERS
from parity.artifacts.tfgraph.reading import META, Graph
from parity.artifacts.tfgraph.spec import Port
from parity.checkpoints import Checkpoint
from parity.graphfile import Place, ir_places
from parity.tensorfile import Array


@dataclass(frozen=True)
class Made:
    """One try that held."""

    frozen: Frozen
    sizes: Sizes
    deviations: Mapping[str, float]
    """Largest deviation from TensorFlow of each output, relative to its largest value."""
    refused: tuple[str, ...]
    """Freer sizes, and why they did not hold."""


@dataclass(frozen=True)
class Found:
    """What of the source is in the graph's constants."""

    tensors: tuple[TensorProof, ...]
    folded: tuple[Dropped, ...]
    """Needed by the outputs, but not there as they were."""
    equal: tuple[tuple[str, ...], ...]
    """Variables of equal content: by content they cannot be told apart, nor shown to be each in its own place."""


def find(variables: Mapping[str, Array], places: Sequence[Place], *, half: bool) -> Found:
    """Look for each variable's bytes among a graph's constants, as stored or transposed.

    Args:
        variables: values by the name they are saved under.
        places: the graph's constants.
        half: weights are stored as float16.
    """
    held = list(constants(places))
    by_hash: dict[str, Constant] = {}
    turned: dict[str, Constant] = {}
    for constant in held:
        by_hash.setdefault(constant.sha256, constant)
        turned.setdefault(constant.sha256_transposed, constant)
    tensors, folded, same = [], [], dict[str, list[str]]()
    for name, array in variables.items():
        digest = sha256_array(array)
        if array.size > 1:
            same.setdefault(digest, []).append(name)
        line = _line(name, array, digest, by_hash, turned, half=half)
        if line is None:
            folded.append(Dropped(name, _became(array, places)))
        else:
            tensors.append(line)
    equal = tuple(tuple(names) for names in same.values() if len(names) > 1)
    return Found(tuple(tensors), tuple(folded), equal)


def _line(
    name: str, array: Array, digest: str, by_hash: Mapping[str, Constant], turned: Mapping[str, Constant], *, half: bool
) -> TensorProof | None:
    source = TensorProof(
        name, name, "copy", array.shape, array.shape, array.dtype.name, array.dtype.name, digest, digest
    )
    forms = [source]
    if half and array.dtype != np.float16:
        cast = sha256_array(array.astype(np.float16))
        forms.append(replace(source, target_dtype="float16", target_sha256=cast))
    for form in forms:
        if form.target_sha256 in by_hash:
            return replace(form, target=by_hash[form.target_sha256].name)
        if array.ndim == 2 and form.target_sha256 in turned:
            constant = turned[form.target_sha256]
            shape = array.shape[::-1]
            return replace(
                form, target=constant.name, operation="transpose", target_shape=shape, target_sha256=constant.sha256
            )
    return None


def _became(array: Array, places: Sequence[Place]) -> str:
    """What can be said of a variable that is not there: its first rows, or nothing but what was compared."""
    for place in places:
        rows = place.shape[-2] if len(place.shape) >= 2 else 0
        if array.ndim != 2 or not 0 < rows < len(array) or place.shape[-1] != array.shape[1]:
            continue
        if place.nbytes == array[:rows].nbytes and place.dtype == array.dtype.name:
            stored = place.read().reshape(rows, -1)
            if stored.tobytes() == np.ascontiguousarray(array[:rows]).tobytes():
                return f"folded: constant {place.name} holds its first {rows} rows, the only ones this graph reads"
    return "folded into other constants by the conversion: not provable by content, only the outputs were compared"


def graph_constants(nodes: Sequence[Any]) -> dict[str, Array]:
    """Weights of a frozen graph: its constants of floating point with at least one axis, by node.

    Args:
        nodes: nodes whose constants have been checked.
    """
    from tensorflow import make_ndarray

    found = {}
    for node in nodes:
        if node.op != "Const":
            continue
        tensor = node.attr["value"].tensor
        dtype = NUMBERS.get(tensor.dtype, "")
        if dtype not in ("float16", "float32", "float64", "bfloat16") or not tensor.tensor_shape.dim:
            continue
        found[node.name] = np.asarray(make_ndarray(tensor))
    return found


def prove(graph: Graph, made: Made, checkpoint: Checkpoint | None, folder: Path, *, compress: str | None) -> Proof:
    """The proof of the IR that lies in `folder`."""
    frozen, known = made.frozen, is_bert(graph)
    if checkpoint is None:
        weights = graph_constants([graph.nodes[node.name] for node in frozen.graph.node if node.name in graph.nodes])
    else:
        weights = {name: checkpoint.read(name) for name in sorted(set(frozen.variables.values()))}
    found = find(weights, ir_places(folder / IR.FILE), half=compress == "fp16")
    left = sorted(set(checkpoint.entries) - set(weights)) if checkpoint else []
    unused = tuple(Dropped(name, "not needed by the outputs") for name in left)
    epsilon = scalar(graph, Port("bert/embeddings/LayerNorm/batchnorm/add/y"))
    return Proof(
        to="openvino",
        # No family: an IR with the inputs and outputs of somebody else's graph is nothing that backends can judge.
        family="graph",
        head="none",
        labels=0,
        source_format="tensorflow-metagraph" if graph.where.suffix == META else "tensorflow-frozen-graph",
        config_file="",
        config={},
        activation=(activation(graph) or "unknown") if known else "unknown",
        epsilon=epsilon or 0.0,
        casing={},
        assumptions=_said(made, found),
        tensors=found.tensors,
        dropped=(*found.folded, *unused),
        tied=(),
        files=hash_files(folder, leave_out={FILE}),
        notes={
            "graph": graph.where.name,
            "names": "bert" if known else "unknown",
            "drawn_by": graph.producer or "unknown",
            "inputs": {feed.name: _spelt(feed) for feed in frozen.feeds},
            "outputs": [str(port) for port in frozen.outputs],
            "sizes": made.sizes.text,
            "refused_sizes": list(made.refused),
            "dropouts_taken_out": list(frozen.dropouts),
            "folded": [line.source for line in found.folded],
            "equal": [list(names) for names in found.equal],
            "beside_tensorflow": dict(made.deviations),
            "left_out": dict(frozen.left),
            "compress": compress or "none",
        },
        parity=parity.__version__,
    )


def _spelt(feed: Feed) -> str:
    sizes = " ".join("?" if size is None else str(size) for size in feed.shape or ())
    return f"{feed.port} {feed.dtype}[{sizes}]"


def _said(made: Made, found: Found) -> tuple[str, ...]:
    said = [f"sizes are kept as drawn: {reason}" for reason in made.refused]
    if made.frozen.dropouts:
        said.append(f"{len(made.frozen.dropouts)} dropouts of a training graph are taken out")
    said += [f"{line.source}: {line.reason}" for line in found.folded]
    if found.equal:
        said.append(
            f"{sum(map(len, found.equal))} variables share their content with another: that each is in its own place "
            "is not proved by content"
        )
    return tuple(said)
