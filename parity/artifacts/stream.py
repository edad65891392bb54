"""Tensors on their way from a checkpoint to an artifact: read, checked, hashed and turned, a few at a time.

Reading, CRC, SHA-256 and copying release the interpreter lock, so two threads keep two cores busy. Memory is bounded
by bytes in flight, not by tensor count: the next tensor starts only when it fits beside those being worked on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from parity.artifacts.proof import TensorProof, sha256_array
from parity.errors import ParityError, Problems
from parity.tensorfile import Array, TensorSpec, numpy_dtype
from parity.weights import Merged, Move, Part, Stacked, operation

_STRIP, _PITCH = 64, 16
_FINITE_BLOCK = 1 << 18
_HALF = {"float16", "bfloat16"}


@dataclass(frozen=True)
class Turned:
    """A tensor ready to be written, with its line of the proof (hashes empty when hashing is off)."""

    proof: TensorProof
    array: Array


def target_dtype(source: str) -> str:
    """Half-precision weights are widened to float32, which is exact: left half, a target would compute in half."""
    return "float32" if source in _HALF else source


def target_specs(moves: Sequence[Move], dtypes: dict[str, str]) -> list[TensorSpec]:
    """What will be written, known before any data is read."""
    specs = {m.target: TensorSpec(m.target, target_dtype(dtypes[m.source]), m.target_shape) for m in moves}
    return list(specs.values())


def stream(
    read: Callable[[str], Array],
    moves: Sequence[Move],
    dtypes: dict[str, str],
    *,
    problems: Problems,
    dtype_of: Mapping[str, str] | None = None,
    threads: int = 2,
    hashing: bool = True,
) -> Iterator[Turned]:
    """Yield every move's target tensor in order, each C-ordered and in its target dtype.

    Args:
        read: gives a source tensor by name; called from several threads.
        moves: the plan.
        dtypes: each source tensor's dtype name.
        dtype_of: target dtypes by target name where they are not `target_dtype`'s (the way back to a half checkpoint).
        problems: takes the names of tensors that hold NaN or infinity.
        threads: workers.
        hashing: off only to measure what hashing costs.
    """
    sizes = [int(np.prod(move.source_shape)) * numpy_dtype(dtypes[move.source]).itemsize for move in moves]
    budget = max(2 * max(sizes, default=0), 1 << 26)
    waiting: deque[tuple[Future[Turned], int]] = deque()
    used, following = 0, 0
    with ThreadPoolExecutor(threads, thread_name_prefix="parity-stream") as pool:
        try:
            for _ in moves:
                while following < len(moves) and (
                    not waiting or (used + _cost(moves[following], sizes[following]) <= budget and len(waiting) < 64)
                ):
                    move = moves[following]
                    cost = _cost(move, sizes[following])
                    dtype = dtypes[move.source]
                    wanted = (dtype_of or {}).get(move.target, target_dtype(dtype))
                    waiting.append((pool.submit(_turn, read, move, dtype, wanted, problems, hashing), cost))
                    used, following = used + cost, following + 1
                future, cost = waiting.popleft()
                turned = future.result()
                yield turned
                del turned, future
                used -= cost
        finally:
            for future, _ in waiting:
                future.cancel()


def assembled(parts: Iterator[Turned]) -> Iterator[list[Turned]]:
    """Tensors as they are written: the parts of a stack are joined, and every part's proof is of the whole target."""
    waiting: list[Turned] = []
    for turned in parts:
        how = operation(turned.proof.operation)
        if not isinstance(how, Stacked | Part | Merged):
            yield [turned]
            continue
        waiting.append(turned)
        if how.last:
            whole = _JOIN[type(how)](waiting)
            digest = sha256_array(whole) if turned.proof.source_sha256 else ""
            yield [Turned(replace(part.proof, target_sha256=digest), whole) for part in waiting]
            waiting = []


def _one(parts: Sequence[Turned]) -> Array:
    """What every layer holds alike; the source has no place for two values."""
    first = parts[0]
    for part in parts:
        if part.array.tobytes() != first.array.tobytes():
            raise ParityError(
                f"{part.proof.source} and {first.proof.source} have values of their own",
                expected=f"one tensor for all layers, {first.proof.target}",
                remedy="the source ties them: train with them tied, or say in its config that they are not",
            )
    return first.array


_JOIN: Mapping[type, Callable[[Sequence[Turned]], Array]] = {
    Stacked: lambda parts: np.stack([part.array for part in parts]),
    Part: lambda parts: np.concatenate([part.array for part in parts]),
    Merged: _one,
}


def _cost(move: Move, size: int) -> int:
    return size if move.operation.name == "copy" else 2 * size


def _turn(
    read: Callable[[str], Array], move: Move, dtype: str, wanted: str, problems: Problems, hashing: bool
) -> Turned:
    source = read(move.source)
    bad = _not_finite(source)
    if bad:
        problems.add(
            f"{bad} of {source.size} values of {move.source} are NaN or infinite",
            remedy="take an earlier checkpoint of that training; nothing computed from this one means anything",
        )
    target = contiguous(move.operation.forward(source))
    if target.dtype.name != wanted:
        target = target.astype(numpy_dtype(wanted))
    source_hash = sha256_array(source) if hashing else ""
    same = target is source
    return Turned(
        TensorProof(
            source=move.source,
            target=move.target,
            operation=move.operation.name,
            source_shape=move.source_shape,
            target_shape=move.target_shape,
            source_dtype=dtype,
            target_dtype=wanted,
            source_sha256=source_hash,
            target_sha256=source_hash if same or not hashing else sha256_array(target),
        ),
        target,
    )


def contiguous(array: Array) -> Array:
    """The array in C order; matrices strip by strip, several times faster than NumPy's own copy."""
    if array.flags.c_contiguous:
        return array
    if array.ndim != 2:
        return np.ascontiguousarray(array)
    columns = array.shape[1]
    out = np.empty(array.shape, array.dtype)
    # Read by whole source rows into a strip whose pitch is no power of two: such strides share a few cache lines.
    strip = np.empty((_STRIP, array.shape[0] + _PITCH), array.dtype)
    for left in range(0, columns, _STRIP):
        turned = strip[: min(_STRIP, columns - left), : array.shape[0]]
        turned[...] = array.T[left : left + _STRIP]
        out[:, left : left + _STRIP] = turned.T
    return out


def _not_finite(array: Array) -> int:
    if array.dtype.kind not in "fV" and array.dtype.name != "bfloat16":
        return 0
    flat = array.reshape(-1)
    return sum(
        int(block.size - np.count_nonzero(np.isfinite(block)))
        for block in (flat[i : i + _FINITE_BLOCK] for i in range(0, flat.size, _FINITE_BLOCK))
    )
