"""`parity verify`: does an artifact still hold what its proof says, and does the proof say what the source holds?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from parity.artifacts.graph_constants import Constant, ir_constants, onnx_constants
from parity.artifacts.hf_folder import BUFFERS, HfFolder, is_hf_folder, read_hf_folder
from parity.artifacts.proof import FILE, Proof, TensorProof, read_proof, sha256_array, sha256_file
from parity.artifacts.pytorch import METADATA, WEIGHTS
from parity.checkpoints import open_checkpoint
from parity.checkpoints.bundle import FORMAT as BUNDLE
from parity.errors import BrokenParity, MissingRuntime, ParityError, Problems
from parity.tensorfile import Array, TensorSpec, header_bytes, map_tensors, numpy_dtype
from parity.weights import Cut, Operation, Row, Zeros, operation

Reader = Callable[[str], Array]


@dataclass(frozen=True)
class Verified:
    """What was checked."""

    proof: Proof
    tensors: int
    files: int
    source_tensors: int


def verify(folder: Path, *, source: Path | None = None) -> Verified:
    """Check an artifact against its proof, and the proof against its source.

    Every file's and tensor's SHA-256 is computed again. Where tensors are stored by name, the source's hash is also
    recomputed by the inverse operation; a graph's constants are found by content.

    Args:
        folder: what `parity convert` wrote.
        source: the checkpoint (or Hugging Face directory) it came from; every tensor of it is read and compared.

    Raises:
        BrokenParity: something does not hold; every violation is named.
        ParityError: there is no proof, or a file is unreadable.
    """
    proof = read_proof(folder)
    if proof.to not in _CHECKS:
        got, expected = proof.to, f"one of {', '.join(_CHECKS)}"
        raise ParityError("an artifact of an unknown kind", where=folder / FILE, got=got, expected=expected)
    problems = Problems("the artifact is not what its proof says", where=folder)
    if (folder / FILE).read_bytes() != proof.text().encode():
        problems.add(f"{FILE} was changed since conversion", remedy="convert again")
    for name, digest in proof.files.items():
        path = folder / name
        if not path.is_file():
            problems.add(f"{name} is missing", remedy="convert again")
        elif sha256_file(path) != digest:
            problems.add(f"{name} was changed since conversion", remedy="convert again")
    try:
        _CHECKS[proof.to](folder, proof, problems)
    except MissingRuntime:
        raise
    except ParityError as error:
        problems.extend([error])
    checked = _check_source(proof, source, problems) if source is not None else 0
    problems.raise_if_any(BrokenParity)
    return Verified(proof, len(proof.tensors), len(proof.files), checked)


def _check_named(names: Iterable[str], read: Reader, proof: Proof, problems: Problems) -> None:
    present, expected = set(names), {line.target for line in proof.tensors} | {tie.target for tie in proof.tied}
    for name in sorted(present - expected):
        problems.add(f"tensor {name} is not in the proof", remedy="convert again")
    # Hashing releases the interpreter lock: two threads keep two cores busy.
    with ThreadPoolExecutor(2, thread_name_prefix="parity-verify") as pool:
        for line, flaw in zip(
            proof.tensors, pool.map(lambda line: _flaw(line, present, read), proof.tensors), strict=True
        ):
            if flaw is not None:
                problems.add(f"tensor {line.target} {flaw}", remedy="convert again")
    for stack_flaw in _stack_flaws(proof, present, read):
        problems.add(stack_flaw, remedy="convert again")


def _flaw(line: TensorProof, present: set[str], read: Reader) -> str | None:
    if line.target not in present:
        return "is missing"
    array = read(line.target)
    got, expected = f"{array.dtype.name}{list(array.shape)}", f"{line.target_dtype}{list(line.target_shape)}"
    if got != expected:
        return f"has another form than its proof says (got {got}, expected {expected})"
    if sha256_array(array) != line.target_sha256:
        return "has other values than its proof says"
    if not isinstance(_operation(line), Row | Cut) and sha256_array(_back(array, line)) != line.source_sha256:
        return f"does not lead back to {line.source}"
    return None


def _stack_flaws(proof: Proof, present: set[str], read: Reader) -> Iterator[str]:
    """Sources that are not the stack of their parts, which no part tells by itself."""
    stacks: dict[str, list[TensorProof]] = {}
    for line in proof.tensors:
        if isinstance(_operation(line), Row | Cut):
            stacks.setdefault(line.source, []).append(line)
    for source, lines in stacks.items():
        parts = [read(line.target) for line in lines if line.target in present]
        if len(parts) != len(lines) or [line.operation for line in lines] != _in_order(lines, parts):
            yield f"the parts of {source} are not all there, or not in order"
            continue
        join = np.stack if isinstance(_operation(lines[0]), Row) else np.concatenate
        if sha256_array(join(parts).astype(numpy_dtype(lines[0].source_dtype))) != lines[0].source_sha256:
            yield f"the parts of {source} do not lead back to it"


def _in_order(lines: Sequence[TensorProof], parts: Sequence[Array]) -> list[str]:
    """How the operations have to be called for these parts to make one whole."""
    if len({part.shape[1:] for part in parts}) != 1 or any(not part.ndim for part in parts):
        return []
    if isinstance(_operation(lines[0]), Row):
        return [f"row {i} of {len(lines)}" for i in range(len(lines))] if len({p.shape for p in parts}) == 1 else []
    ends = [0, *np.cumsum([len(part) for part in parts]).tolist()]
    return [f"cut {first} to {end} of {ends[-1]}" for first, end in pairwise(ends)]


def _back(array: Array, line: TensorProof) -> Array:
    return _operation(line).inverse().forward(array).astype(numpy_dtype(line.source_dtype), copy=False)


def _operation(line: TensorProof) -> Operation:
    try:
        return operation(line.operation)
    except ValueError as error:
        raise ParityError(f"the proof names an {error}", remedy="convert again") from error


def _check_pytorch(folder: Path, proof: Proof, problems: Problems) -> None:
    named = str(proof.notes.get("weights"))
    for other in sorted({*WEIGHTS.values()} - {named}):
        if (folder / other).exists():
            problems.add(f"{other} is not in the proof, and may be loaded in place of {named}", remedy="remove it")
    path = folder / named
    if named not in WEIGHTS.values() or not path.is_file():
        problems.add(f"{named} is missing", remedy="convert again")
    elif named == WEIGHTS["safetensors"]:
        _check_safetensors(path, proof, problems)
    else:
        state = _load_bin(path)
        for tie in proof.tied:
            both = tie.target in state and tie.same_as in state
            if not both or not np.array_equal(state[tie.target](), state[tie.same_as]()):
                problems.add(f"{tie.target} is not tied to {tie.same_as}", remedy="convert again")
        _check_named(state, lambda name: state[name](), proof, problems)


def _check_safetensors(path: Path, proof: Proof, problems: Problems) -> None:
    tensors = map_tensors(path)
    _check_named(tensors, tensors.__getitem__, proof, problems)
    specs = {line.target: TensorSpec(line.target, line.target_dtype, line.target_shape) for line in proof.tensors}
    written = header_bytes(list(specs.values()), METADATA)
    with path.open("rb") as file:
        if file.read(len(written)) != written:
            problems.add(f"the header of {path.name} was changed since conversion", remedy="convert again")


def _load_bin(path: Path) -> Mapping[str, Callable[[], Array]]:
    try:
        import torch
    except ImportError as error:
        raise MissingRuntime("a .bin is read by PyTorch itself", remedy='pip install "parity[torch]"') from error
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises what its zip, pickle and storage readers raise
        raise ParityError("not readable by PyTorch", where=path, got=type(error).__name__) from error
    return {name: tensor.numpy for name, tensor in state.items()}


def _check_tensorflow(folder: Path, proof: Proof, problems: Problems) -> None:
    with open_checkpoint(folder / str(proof.notes.get("weights"))) as checkpoint:
        _check_named(checkpoint.entries, checkpoint.read, proof, problems)
        if checkpoint.format != BUNDLE:
            return  # the sizes of those files were judged when they were opened
        held = sum(entry.nbytes for entry in checkpoint.entries.values())
        size = sum(file.stat().st_size for file in checkpoint.files[1:])
        if held != size:
            problems.add(f"{checkpoint.files[1].name} holds bytes that are no tensor's", got=size, expected=held)


def _check_constants(constants: Iterable[Constant], proof: Proof, problems: Problems) -> None:
    held = {digest for constant in constants for digest in (constant.sha256, constant.sha256_transposed)}
    for line in proof.tensors:
        if line.target_sha256 not in held:
            problems.add(f"{line.target} is none of the graph's constants", remedy="convert again")


def _check_spacy(folder: Path, proof: Proof, problems: Problems) -> None:
    from parity.artifacts.spacy import pipeline_tensors

    state = pipeline_tensors(folder)
    _check_named(state, lambda name: state[name], proof, problems)


_CHECKS: Mapping[str, Callable[[Path, Proof, Problems], None]] = {
    "pytorch": _check_pytorch,
    "tensorflow": _check_tensorflow,
    "openvino": lambda folder, proof, problems: _check_constants(
        ir_constants(folder / "openvino_model.xml"), proof, problems
    ),
    "onnx": lambda folder, proof, problems: _check_constants(onnx_constants(folder / "model.onnx"), proof, problems),
    "spacy": _check_spacy,
}


def _check_source(proof: Proof, source: Path, problems: Problems) -> int:
    folder = is_hf_folder(source)
    if folder:
        hf = read_hf_folder(source)
        names, read = set(hf.specs), hf.read
    else:
        checkpoint = open_checkpoint(source)
        names, read = set(checkpoint.entries), checkpoint.read
    # An artifact is made by way of a Hugging Face directory: either end of that way may be named as its source.
    ours = {line.source: (line.source_dtype, line.source_sha256) for line in proof.tensors}
    left = {entry.source for entry in proof.dropped} | {tie.target for tie in proof.tied}
    put_in = {line.source for line in proof.tensors if isinstance(_operation(line), Zeros)}
    if folder != (proof.to == "tensorflow") and not ours.keys() - put_in <= names:
        there = _names_there(hf) if folder else {}
        ours = {
            there.get((line.source, line.operation), line.target): (line.target_dtype, line.target_sha256)
            for line in proof.tensors
        }
        left |= {target for (name, _), target in there.items() if name in left}
    if folder:
        left |= {name for name in names if any(fnmatchcase(name, drop.pattern) for drop in BUFFERS)}
        left |= dict(hf.family.table(hf.config, hf.head).tied).keys()
    if not ours.keys() & names:
        remedy = "name the checkpoint this was converted from"
        problems.add(f"{source.name} holds none of the proof's tensors", remedy=remedy)
        return 0
    for name in sorted(names - ours.keys() - left):
        problems.add(
            f"{name} of {source.name} is neither converted nor dropped", remedy="convert again from this source"
        )
    for name in sorted(ours.keys() - names - put_in):
        problems.add(f"{source.name} has no {name}", remedy="name the checkpoint this was converted from")
    here = [(name, *ours[name]) for name in ours if name in names]

    def differs(entry: tuple[str, str, str]) -> bool:
        name, dtype, digest = entry
        return sha256_array(read(name).astype(numpy_dtype(dtype), copy=False)) != digest

    with ThreadPoolExecutor(2, thread_name_prefix="parity-verify") as pool:
        for (name, *_), different in zip(here, pool.map(differs, here), strict=True):
            if different:
                problems.add(f"{name} of {source.name} has other values than the proof says")
    return len(ours)


def _names_there(hf: HfFolder) -> dict[tuple[str, str], str]:
    """A directory's own name of what an operation makes of a source variable, whatever an artifact calls it."""
    rules = hf.family.table(hf.config, hf.head).expanded()
    return {(rule.source, rule.operation.name): rule.target for rule in rules}
