"""OpenAI GPT as published: `params_shapes.json`, and one float32 vector cut into `params_0.npy` to `params_9.npy`.

The vector is every variable flattened, one behind the other; names are given by order (`parity.checkpoints.openai`).
It was cut by np.array_split, so the first chunks hold one number more where ten does not divide the total: swapped
chunks show there, and otherwise only by what they hold (`parity.checkpoints.order`).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import prod
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np

from parity.checkpoints.bytes import fill
from parity.checkpoints.checkpoint import TensorEntry
from parity.checkpoints.npy import Vector, read_vector
from parity.checkpoints.openai import TABLES, Shape, named
from parity.checkpoints.order import check_order
from parity.checkpoints.sniff import unreadable
from parity.errors import ParityError, Problems
from parity.tensorfile import Array

FORMAT = "openai-params"
SHAPES = "params_shapes.json"
CHUNKS = 10
ITEM = np.dtype("<f4")
_CHUNK = re.compile(r"params_(\d+)\.npy\Z")
_MOST_SHAPES, _MOST_NUMBERS = 1 << 20, 1 << 40
_COPY = "copy all params_*.npy and params_shapes.json again from where they were published"


def chunk_name(number: int) -> str:
    """File name of chunk `number`, counted from 0."""
    return f"params_{number}.npy"


def chunk_sizes(total: int) -> list[int]:
    """How np.array_split cuts so many numbers."""
    return [total // CHUNKS + (number < total % CHUNKS) for number in range(CHUNKS)]


class FlatCheckpoint:
    """Opened parameters of OpenAI's GPT.

    Attributes:
        prefix: path of `params_shapes.json`.
        files: that, and the ten chunks.
        entries: what there is, by name in ascending order.
    """

    format = FORMAT

    def __init__(self, prefix: Path, tensors: Sequence[tuple[str, Shape]], chunks: Sequence[Vector]) -> None:
        begins = list(accumulate((prod(shape) for _, shape in tensors), initial=0))
        self._spans: dict[str, tuple[int, Shape]] | None = {
            name: (begin, shape) for begin, (name, shape) in zip(begins, tensors, strict=False)
        }
        self._chunks = tuple(chunks)
        self._starts = list(accumulate((chunk.size for chunk in chunks), initial=0))
        self.prefix = prefix
        self.files = (prefix, *(chunk.path for chunk in chunks))
        self.entries: Mapping[str, TensorEntry] = MappingProxyType(
            {name: self._entry(name) for name in sorted(dict(tensors))}
        )

    def _entry(self, name: str) -> TensorEntry:
        assert self._spans is not None
        begin, shape = self._spans[name]
        pieces = [chunk for chunk, _, _ in self._pieces(begin, prod(shape))]
        return TensorEntry(name, ITEM.name, shape, prod(shape) * ITEM.itemsize, tuple(pieces), 1)

    def _pieces(self, begin: int, count: int) -> Iterator[tuple[int, int, int]]:
        """Chunk, first number in it, and how many, of `count` numbers of the whole vector from `begin` on."""
        for number, (start, end) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            low, high = max(begin, start), min(begin + count, end)
            if low < high:
                yield number, low - start, high - low

    def read(self, name: str, *, verify: bool = True) -> Array:
        """Read one tensor, across chunks where it lies in several. The format has no checksums to `verify`.

        Returns:
            A fresh, C-ordered float32 array.

        Raises:
            ParityError: no such tensor, a chunk that was cut off since it was opened, or a closed checkpoint.
        """
        if self._spans is None:
            raise ParityError("the checkpoint is closed", where=self.prefix)
        if name not in self._spans:
            near = ", ".join(difflib.get_close_matches(name, self._spans, n=3))
            raise ParityError(f"there is no tensor {name}", where=self.prefix, expected=near or None)
        begin, shape = self._spans[name]
        whole = np.empty(shape, ITEM)
        flat, done = whole.reshape(-1), 0
        for number, first, count in self._pieces(begin, flat.size):
            chunk = self._chunks[number]
            fill(chunk.path, chunk.offset + first * ITEM.itemsize, flat[done : done + count])
            done += count
        return whole

    def close(self) -> None:
        """Refuse further reads. Idempotent."""
        self._spans = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def locate_flat(path: Path) -> Path | None:
    """`params_shapes.json` of the parameters that `path` means: their folder, that file, or a chunk; None = none."""
    try:
        if path.name == SHAPES or _CHUNK.match(path.name):
            return path.with_name(SHAPES) if path.exists() else None
        if path.is_dir() and ((path / SHAPES).is_file() or (path / chunk_name(0)).is_file()):
            return path / SHAPES
    except (OSError, ValueError):
        # No path of anything: whoever reads other formats says so.
        return None
    return None


def open_flat(shapes: Path) -> FlatCheckpoint:
    """Open the parameters beside `params_shapes.json`.

    Raises:
        ParityError: a file missing, left over, cut off, of another size or kind than the shapes ask for, shapes that
            are not a GPT's, or chunks that appear to be out of order; all problems of one kind at once.
    """
    tensors = named(_read_shapes(shapes), TABLES, where=shapes)
    chunks = _read_chunks(shapes.parent, sum(prod(shape) for _, shape in tensors))
    opened = FlatCheckpoint(shapes, tensors, chunks)
    entries = opened.entries
    check_order(shapes.parent, tensors, opened.read, lambda name: [chunk_name(n) for n in entries[name].shards])
    return opened


def _read_shapes(path: Path) -> list[Shape]:
    try:
        if path.stat().st_size > _MOST_SHAPES:
            raise ParityError("too large for a list of shapes", where=path, remedy=_COPY)
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        if not path.exists():
            raise ParityError(f"{SHAPES} is missing beside the chunks", where=path.parent, remedy=_COPY) from error
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ParityError(f"not JSON: {str(error)[:80]}", where=path, remedy=_COPY) from error
    lists = isinstance(raw, list) and all(isinstance(shape, list) for shape in raw)
    if not lists or not all(type(size) is int and 0 < size < _MOST_NUMBERS for shape in raw for size in shape):
        raise ParityError("not a list of shapes, each a list of sizes", where=path, remedy=_COPY)
    return [tuple(shape) for shape in raw]


def _read_chunks(folder: Path, total: int) -> list[Vector]:
    """All chunks, their sizes those of the cut."""
    problems = Problems("shapes and chunks do not fit each other", where=folder)
    wanted = {chunk_name(number): size for number, size in enumerate(chunk_sizes(total))}
    try:
        held = {entry.name for entry in folder.iterdir() if _CHUNK.match(entry.name)}
    except OSError as error:
        raise unreadable(folder, error) from error
    for name in sorted(held - wanted.keys()):
        problems.add(f"{name} is one chunk too many", expected=f"{CHUNKS} chunks", remedy="move it elsewhere")
    chunks: list[Vector] = []
    for name in wanted:
        if name not in held:
            problems.add(f"{name} is missing", remedy=_COPY)
            continue
        try:
            chunks.append(read_vector(folder / name, dtype=ITEM.str))
        except ParityError as error:
            problems.extend([error])
    others = {chunk.path.name: chunk.size for chunk in chunks if chunk.size != wanted[chunk.path.name]}
    swapped = len(chunks) == CHUNKS and sorted(wanted.values()) == sorted(chunk.size for chunk in chunks)
    for name, size in others.items():
        problems.add(
            f"{name} holds another number of values than the shapes leave it",
            got=size,
            expected=wanted[name],
            remedy="chunks were swapped: name them as published" if swapped else _COPY,
        )
    problems.raise_if_any()
    return chunks
