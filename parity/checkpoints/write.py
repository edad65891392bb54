"""Writing a V2 checkpoint that TensorFlow reads: data files streamed, index last, whole or not at all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import google_crc32c
import numpy as np

from parity.checkpoints.entry import CODES, MOST_AXES, MOST_SHARDS, STRING, Piece, write_entry, write_header
from parity.checkpoints.index import is_object_key, shown
from parity.checkpoints.locate import index_path, shard_path
from parity.checkpoints.sstable import masked, write_table
from parity.errors import ParityError, Problems
from parity.tensorfile import Array, TensorSpec, numpy_dtype

_CHUNK = 1 << 20


def write_bundle(
    prefix: Path, specs: Sequence[TensorSpec], arrays: Iterable[Array], *, shards: int = 1
) -> tuple[Path, ...]:
    """Write a checkpoint under `prefix`; an existing one is replaced.

    Args:
        prefix: path of the checkpoint without suffixes; its folder must exist.
        specs: name, dtype and shape of each tensor, in any order.
        arrays: the tensors, one per spec and in the order of `specs`, taken one at a time; any memory layout.
        shards: number of data files; tensors are spread over them in order, evenly by bytes.

    Returns:
        The files written, the index first.

    Raises:
        ParityError: names or dtypes a bundle cannot hold, an array that is not as announced, or a disk that refuses.
    """
    _check(prefix, specs, shards)
    finals = [shard_path(prefix, shard, shards) for shard in range(shards)]
    index = index_path(prefix)
    try:
        with ExitStack() as cleanup:
            temporaries = [_temporary(path) for path in (*finals, index)]
            for path in temporaries:
                cleanup.callback(path.unlink, missing_ok=True)
            entries = _write_data(prefix, specs, arrays, temporaries[:-1])
            header = (b"", write_header(shards))
            temporaries[-1].write_bytes(write_table([header, *sorted(entries.items())]))
            # Without an index there is no checkpoint: it goes first and comes last.
            index.unlink(missing_ok=True)
            for temporary, final in zip(temporaries, (*finals, index), strict=True):
                temporary.replace(final)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ParityError(
            f"cannot be written: {reason}", where=prefix, remedy="check its folder, permissions and free space"
        ) from error
    return (index, *finals)


def _check(prefix: Path, specs: Sequence[TensorSpec], shards: int) -> None:
    problems = Problems("these tensors cannot be written as a checkpoint", where=prefix)
    if not 1 <= shards <= MOST_SHARDS:
        problems.add("the number of data files cannot be", got=shards, expected=f"1 to {MOST_SHARDS}")
    seen: set[str] = set()
    for spec in specs:
        fault = _fault(spec, seen)
        if fault:
            problems.add(f"tensor {shown(spec.name)}: {fault}", remedy="rename or leave it out")
        seen.add(spec.name)
    problems.raise_if_any()


def _fault(spec: TensorSpec, seen: set[str]) -> str | None:
    if spec.dtype not in CODES or spec.dtype == STRING:
        return f"dtype {spec.dtype} cannot be stored"
    if min(spec.shape, default=0) < 0 or len(spec.shape) > MOST_AXES:
        return f"shape {spec.shape} cannot be"
    if not spec.name or spec.name.startswith("\0") or is_object_key(spec.name) or not _encodes(spec.name):
        return "bundles keep this name for themselves, or cannot hold it"
    return "named twice" if spec.name in seen else None


def _encodes(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _write_data(
    prefix: Path, specs: Sequence[TensorSpec], arrays: Iterable[Array], paths: Sequence[Path]
) -> dict[bytes, bytes]:
    """Stream every tensor into its data file; the index entries by key."""
    total = max(sum(spec.nbytes for spec in specs), 1)
    starts = itertools.accumulate((spec.nbytes for spec in specs), initial=0)
    # A tensor goes where its first byte would if all bytes were cut into equal parts.
    shards = [min(start * len(paths) // total, len(paths) - 1) for start in starts]
    placed = zip(shards, specs, strict=False)
    supply = iter(arrays)
    entries: dict[bytes, bytes] = {}
    for shard, group in itertools.groupby(placed, key=lambda pair: pair[0]):
        with paths[shard].open("wb", buffering=0) as file:
            for _, spec in group:
                # No name holds the array, so that it is gone before the next one is made.
                crc = _write(file.fileno(), _checked(prefix, spec, next(supply, None)))
                piece = Piece(shard, file.tell() - spec.nbytes, spec.nbytes, crc)
                entries[spec.name.encode()] = write_entry(spec.dtype, spec.shape, piece)
    if next(supply, None) is not None:
        raise ParityError("more arrays than announced", where=prefix, remedy="report this as a bug")
    for path in paths:
        path.touch()
    return entries


def _checked(prefix: Path, spec: TensorSpec, array: Array | None) -> Array:
    if array is None or array.dtype != numpy_dtype(spec.dtype) or array.shape != spec.shape:
        raise ParityError(
            f"tensor {shown(spec.name)} is not as announced",
            where=prefix,
            got="nothing" if array is None else f"{array.dtype}{array.shape}",
            expected=f"{spec.dtype}{spec.shape}",
            remedy="report this as a bug",
        )
    return array


def _write(descriptor: int, array: Array) -> int:
    """Write an array's bytes in C order; their masked CRC-32C."""
    flat = array.reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        crc = google_crc32c.extend(crc, chunk)
        rest = chunk.data
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return masked(crc)
