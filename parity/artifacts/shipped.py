"""The weights an artifact ships, read back from it under the source's names.

Half precision and integers change the model before any arithmetic does. What a run computes with is therefore asked
of the artifact, never guessed: every constant is found by the hash that its proof states, dequantised by the scale
that lies beside it, and led back by the inverse of its operation. Nothing but the format's own rounding may lie
between it and the source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from parity.artifacts.graph_constants import sha256, sha256_transposed
from parity.artifacts.proof import Proof, TensorProof, read_proof
from parity.artifacts.pytorch import WEIGHTS
from parity.artifacts.quantised import DTYPES as INTEGERS
from parity.artifacts.quantised import Quantised, quantised
from parity.checkpoints import open_checkpoint
from parity.errors import BrokenParity, ParityError, Problems
from parity.graphfile import Place, ir_places, onnx_file
from parity.tensorfile import Array, TensorSpec, map_tensors, read_specs, write_tensors
from parity.weights import Cut, Row, Zeros, operation

FILE = "weights.safetensors"
"""What `write_shipped` writes: the tensors that are not the source's, under its names."""


@dataclass(frozen=True)
class Storage:
    """How an artifact stores the source's tensors."""

    formats: Mapping[str, int]
    """Tensors by dtype as stored."""
    changed: tuple[str, ...]
    """Source names of those that have other values than the source."""

    @property
    def exact(self) -> bool:
        """Does the artifact hold the source's very values? Then there is no price of the format to speak of."""
        return not self.changed


def write_shipped(artifact: Path, out: Path, *, source: Path) -> Storage:
    """Write what an artifact ships in place of the source's tensors into the folder `out`.

    Args:
        artifact: what `parity convert` wrote: a Hugging Face directory, an IR or an ONNX file, with its proof.
        out: the folder to make or fill.
        source: the checkpoint it was converted from.

    Raises:
        BrokenParity: a tensor is not in the artifact, or is not the format's rounding of the source's.
        ParityError: there is no proof, or a file is unreadable.
    """
    proof = read_proof(artifact)
    problems = Problems("the artifact does not ship the source's weights", where=artifact)
    changed: dict[str, Array] = {}
    with open_checkpoint(source) as checkpoint:
        for line, found in _tensors(artifact, proof):
            if found is None:
                problems.add(f"{line.target} is not in the artifact as its proof says", remedy="run `parity verify`")
                continue
            if isinstance(operation(line.operation), Zeros):
                continue
            if line.source not in checkpoint.entries:
                problems.add(f"the source has no {line.source}", remedy="name the checkpoint it was converted from")
                continue
            original = checkpoint.read(line.source)
            values = _back(found.values(), line, original)
            if values.shape != original.shape or not found.holds(_there(original, line)):
                what = f"{line.target} is not {line.source} rounded to {line.target_dtype}"
                problems.add(what, remedy="convert this source again")
            elif not np.array_equal(values, original):
                # Of a stack every part comes by itself: what an earlier one changed stays.
                changed[line.source] = _back(found.values(), line, changed.get(line.source, original))
    problems.raise_if_any(BrokenParity)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in changed.items()]
    out.mkdir(parents=True, exist_ok=True)
    write_tensors(out / FILE, specs, changed.values(), metadata={"to": proof.to}, read_back=False)
    return Storage(Counter(line.target_dtype for line in proof.tensors), tuple(changed))


def read_shipped(folder: Path) -> Mapping[str, Array]:
    """What `write_shipped` wrote: tensors by source name, mapped from disk.

    Raises:
        ParityError: the folder holds no such file.
    """
    if not (folder / FILE).is_file():
        raise ParityError("no shipped weights here", where=folder, expected=FILE, remedy="read them from an artifact")
    _, specs = read_specs(folder / FILE)
    return map_tensors(folder / FILE) if specs else {}


@dataclass(frozen=True)
class _Found:
    """A tensor of the artifact, in the target's orientation."""

    values: Callable[[], Array]
    """As the runtime computes with it."""
    holds: Callable[[Array], bool]
    """Is it the format's rounding of that target tensor?"""


_Tensors: TypeAlias = Iterator[tuple[TensorProof, _Found | None]]
_Reader: TypeAlias = Callable[[Path, Proof], _Tensors]


def _tensors(artifact: Path, proof: Proof) -> _Tensors:
    if proof.to not in _READERS:
        expected = f"one of {', '.join(_READERS)}"
        raise ParityError(
            "what this artifact ships cannot be read back", where=artifact, got=proof.to, expected=expected
        )
    return _READERS[proof.to](artifact, proof)


def _named(artifact: Path, proof: Proof) -> _Tensors:
    path = artifact / WEIGHTS["safetensors"]
    if not path.is_file():
        raise ParityError("no weights that can be read back", where=artifact, expected=path.name)
    tensors = map_tensors(path)
    for line in proof.tensors:
        array = tensors.get(line.target)
        whole = array is not None and sha256(array) == line.target_sha256
        yield line, _plain(array) if array is not None and whole else None


def _constants(places: Callable[[Path], tuple[Place, ...]]) -> _Reader:
    def read(artifact: Path, proof: Proof) -> _Tensors:
        held = places(artifact)
        integers = quantised(held)
        stored: dict[tuple[str, tuple[int, ...]], Array] = {}
        for place in held:
            if place.dtype not in INTEGERS:  # which stand for nothing without their scale, and so go by name
                array = place.read()
                stored.setdefault((sha256(array), array.shape), array)
                stored.setdefault((sha256_transposed(array), array.T.shape), array.T)
        for line in proof.tensors:
            if line.target_dtype in INTEGERS:
                yield line, _stepped(integers.get(line.target), line)
            else:
                found = stored.get((line.target_sha256, line.target_shape))
                yield line, None if found is None else _plain(found)

    return read


def _plain(array: Array) -> _Found:
    return _Found(lambda: array, lambda original: np.array_equal(original.astype(array.dtype), array))


def _stepped(found: Quantised | None, line: TensorProof) -> _Found | None:
    if found is None:
        return None
    held, proved = found.integers.read(), (line.target_sha256, line.target_shape)
    if (sha256(held), held.shape) == proved:
        return _Found(found.values, found.holds)
    if (sha256(held.T), held.T.shape) == proved:
        return _Found(lambda: found.values().T, lambda original: found.holds(original.T))
    return None


def _back(array: Array, line: TensorProof, original: Array) -> Array:
    how = operation(line.operation)
    if isinstance(how, Cut):
        whole = original.astype(np.result_type(original, array))
        if array.shape != whole[how.first : how.end].shape:
            return array
        whole[how.first : how.end] = array
        return whole
    if isinstance(how, Row):
        whole = original.astype(np.result_type(original, array))
        if array.shape != whole.shape[1:]:
            return array
        whole[how.index] = array
        return whole
    return np.ascontiguousarray(how.inverse().forward(array))


def _there(array: Array, line: TensorProof) -> Array:
    return operation(line.operation).forward(array.astype(np.result_type(array, np.float32)))


_READERS: Mapping[str, _Reader] = {
    "pytorch": _named,
    "openvino": _constants(lambda artifact: ir_places(artifact / "openvino_model.xml")),
    "onnx": _constants(lambda artifact: onnx_file(artifact / "model.onnx").places),
}
