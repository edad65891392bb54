"""The proof of an IR made from a graph: each variable found among its constants, or said what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.artifacts.graph_constants import Constant, constants
from parity.artifacts.proof import Dropped, TensorProof, sha256_array
from parity.artifacts.tfgraph.operations import NUMBERS
from parity.graphfile import Place
from parity.tensorfile import Array, numpy_dtype


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
    found = {}
    for node in nodes:
        tensor = node.attr["value"].tensor
        dtype = NUMBERS.get(tensor.dtype) if node.op == "Const" else None
        if dtype is None or not dtype.endswith(("float16", "float32", "float64")) or not tensor.tensor_shape.dim:
            continue
        if tensor.tensor_content:
            shape = [dim.size for dim in tensor.tensor_shape.dim]
            found[node.name] = np.frombuffer(tensor.tensor_content, numpy_dtype(dtype)).reshape(shape)
    return found
