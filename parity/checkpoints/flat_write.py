"""Writing OpenAI GPT's parameters as they were published: streamed, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from math import prod
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from parity.checkpoints.flat import ITEM, chunk_name, chunk_sizes
from parity.checkpoints.openai import TABLES, in_order, named
from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec


def write_flat(prefix: Path, specs: Sequence[TensorSpec], arrays: Iterable[Array]) -> tuple[Path, ...]:
    """Write `params_shapes.json` and its ten chunks; existing ones are replaced.

    Args:
        prefix: path of `params_shapes.json`; its folder must exist.
        specs: name, dtype (float32) and shape of each tensor, in any order; the names are those that are read.
        arrays: the tensors, one per spec and in the order of `specs`, taken one at a time; any memory layout.

    Returns:
        The files written, the shapes first.

    Raises:
        ParityError: names or shapes that are not a GPT's, another dtype, an array that is not as announced, or a disk
            that refuses.
    """
    folder = prefix.parent
    by_name = {spec.name: spec for spec in specs}
    order = in_order([spec.name for spec in specs], where=folder)
    named([by_name[name].shape for name in order], TABLES, where=folder)
    begins = dict(zip(order, accumulate((prod(by_name[name].shape) for name in order), initial=0), strict=False))
    total = sum(prod(spec.shape) for spec in specs)
    chunks = [folder / chunk_name(number) for number in range(len(chunk_sizes(total)))]
    try:
        with ExitStack() as cleanup:
            parts = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in (*chunks, prefix)]
            for part in parts:
                cleanup.callback(part.unlink, missing_ok=True)
            files = [cleanup.enter_context(part.open("w+b", buffering=0)) for part in parts[:-1]]
            heads = [_head(file.fileno(), size) for file, size in zip(files, chunk_sizes(total), strict=True)]
            supply = iter(arrays)
            for spec in specs:
                data = _bytes(folder, spec, next(supply, None))
                for number, at, piece in _pieces(begins[spec.name], data, chunk_sizes(total)):
                    _write(files[number].fileno(), heads[number] + at, piece)
            if next(supply, None) is not None:
                raise ParityError("more arrays than announced", where=folder, remedy="report this as a bug")
            shapes = [list(by_name[name].shape) for name in order]
            parts[-1].write_text(json.dumps(shapes), encoding="utf-8")
            # Without its shapes there is no checkpoint: they go first and come last.
            prefix.unlink(missing_ok=True)
            for part, final in zip(parts, (*chunks, prefix), strict=True):
                part.replace(final)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ParityError(
            f"cannot be written: {reason}", where=folder, remedy="check its permissions and free space"
        ) from error
    return (prefix, *chunks)


def _head(descriptor: int, size: int) -> int:
    """Write a chunk's header as np.save does; its length."""
    with open(descriptor, "wb", buffering=0, closefd=False) as file:
        npy.write_array_header_1_0(file, {"descr": ITEM.str, "fortran_order": False, "shape": (size,)})
        head = file.tell()
    os.truncate(descriptor, head + size * ITEM.itemsize)
    return head


def _bytes(folder: Path, spec: TensorSpec, array: Array | None) -> memoryview:
    if array is None or array.dtype != ITEM or array.shape != spec.shape:
        raise ParityError(
            f"tensor {spec.name} is not as announced, or not float32",
            where=folder,
            got="nothing" if array is None else f"{array.dtype}{array.shape}",
            expected=f"{ITEM.name}{spec.shape}",
            remedy="only float32 can be written in this format",
        )
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _pieces(begin: int, data: memoryview, sizes: Sequence[int]) -> Iterator[tuple[int, int, memoryview]]:
    """Chunk, byte within its numbers, and the bytes that go there."""
    first = begin * ITEM.itemsize
    for number, (size, end) in enumerate(zip(sizes, accumulate(sizes), strict=True)):
        start, stop = (end - size) * ITEM.itemsize, end * ITEM.itemsize
        low, high = max(first, start), min(first + len(data), stop)
        if low < high:
            yield number, low - start, data[low - first : high - first]


def _write(descriptor: int, at: int, data: memoryview) -> None:
    while data:
        done = os.pwrite(descriptor, data[: 1 << 26], at)
        data, at = data[done:], at + done
