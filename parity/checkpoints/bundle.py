"""Reading a TensorFlow V2 checkpoint without TensorFlow: open, look, read tensors straight into NumPy memory."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType, MappingProxyType, TracebackType
from typing import Self

import google_crc32c
import numpy as np

from parity.checkpoints.checkpoint import TensorEntry
from parity.checkpoints.entry import STRING, Piece
from parity.checkpoints.index import Stored, read_index, shown
from parity.checkpoints.locate import index_path, locate, shard_path
from parity.checkpoints.objects import FORMAT as OBJECTS
from parity.checkpoints.objects import as_variables, is_object_based
from parity.checkpoints.places import check_places
from parity.checkpoints.sniff import refusal, sniff, unreadable
from parity.checkpoints.sstable import masked
from parity.errors import ParityError
from parity.tensorfile import Array, numpy_dtype

FORMAT = "tensorflow-v2"
_MOST_INDEX = 1 << 28
_CHUNK = 1 << 20  # read and checksummed while it is still in the core's own cache
_COPY = "copy index and data files again from one and the same checkpoint"


class Bundle:
    """An opened V2 checkpoint. No file is kept open between reads, so threads may read side by side.

    Attributes:
        format: `tensorflow-v2`; `tensorflow-v2-objects` where the file names objects, and `entries` variables.
        prefix: path without `.index` and `.data-…`.
        files: the index and every data file that holds a tensor.
        entries: what there is, by name in ascending order.
    """

    def __init__(self, prefix: Path, shards: int, tensors: Mapping[str, Stored], form: str = FORMAT) -> None:
        self.format = form
        entries = {name: _entry(name, tensors[name]) for name in sorted(tensors)}
        used = sorted({shard for entry in entries.values() for shard in entry.shards})
        self._tensors: Mapping[str, Stored] | None = tensors
        self._paths = {shard: shard_path(prefix, shard, shards) for shard in used}
        self.prefix = prefix
        self.files = (index_path(prefix), *self._paths.values())
        self.entries: Mapping[str, TensorEntry] = MappingProxyType(entries)

    def read(self, name: str, *, verify: bool = True) -> Array:
        """Read one tensor.

        Args:
            name: one of `entries`.
            verify: compare the CRC-32C of what was read with the index.

        Returns:
            A fresh, C-ordered array of the entry's dtype and shape.

        Raises:
            ParityError: no such tensor, a tensor of strings, a data file that is cut off or has other content than
                the index says, or a closed checkpoint.
        """
        if self._tensors is None:
            raise ParityError("the checkpoint is closed", where=self.prefix)
        stored = self._tensors.get(name)
        if stored is None:
            near = ", ".join(difflib.get_close_matches(name, self._tensors, n=3))
            raise ParityError(f"there is no tensor {shown(name)}", where=self.prefix, expected=near or None)
        if stored.dtype == STRING:
            raise ParityError(
                f"tensor {shown(name)} holds strings, not numbers", where=self.prefix, remedy="leave it out"
            )
        try:
            whole = np.empty(stored.shape, numpy_dtype(stored.dtype))
            for piece in stored.pieces:
                self._read_piece(name, piece, whole, verify=verify)
        except MemoryError as error:
            raise ParityError(
                f"tensor {shown(name)} does not fit into memory",
                where=self.prefix,
                got=f"{stored.nbytes} bytes",
                remedy="use a machine with more memory",
            ) from error
        return whole

    def _read_piece(self, name: str, piece: Piece, whole: Array, *, verify: bool) -> None:
        box: tuple[slice | EllipsisType, ...] = tuple(slice(at, at + length) for at, length in piece.box or ())
        target = whole[(*box, ...)]
        direct = target.flags.c_contiguous
        part = target if direct else np.empty(target.shape, target.dtype)
        path = self._paths[piece.shard]
        crc = _fill(path, piece.offset, part, verify=verify)
        if verify and masked(crc) != piece.crc:
            raise ParityError(
                f"the bytes of tensor {shown(name)} do not match the checksum in the index: "
                "the file is damaged, or belongs to another checkpoint than its index",
                where=path,
                remedy=_COPY,
            )
        if not direct:
            target[...] = part

    def close(self) -> None:
        """Refuse further reads. Idempotent."""
        self._tensors = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_bundle(path: Path) -> Bundle:
    """Open the V2 checkpoint that `path` means: a folder, prefix, `.index`, `.data-…`, `.meta` or `checkpoint` file.

    The whole index is read and judged here, against itself and against the sizes of the data files.

    Raises:
        ParityError: there is none, it is damaged or mixed up, or of a format that is not read (V1, object-based ones of
            other models than BERT's encoder, and others, named by what they are).
    """
    prefix = locate(path)
    index = index_path(prefix)
    data = _read_index_file(index)
    try:
        shards, tensors = read_index(data)
        check_places(prefix, shards, tensors)
        objects = is_object_based(tensors)
        tensors = as_variables(tensors) if objects else tensors
    except ParityError as error:
        place, remedy = error.where or index, error.remedy or _COPY
        raise ParityError(error.what, where=place, got=error.got, expected=error.expected, remedy=remedy) from error
    return Bundle(prefix, shards, tensors, OBJECTS if objects else FORMAT)


def _read_index_file(index: Path) -> bytes:
    # A damaged index can look like a V1 file or like nothing at all; reading it finds out what is wrong.
    if sniff(index) not in (FORMAT, "tensorflow-v1", "unknown"):
        raise refusal(index)
    try:
        size = index.stat().st_size
        if size > _MOST_INDEX:
            limit = f"at most {_MOST_INDEX}"
            raise ParityError("too large for an index", where=index, got=f"{size} bytes", expected=limit, remedy=_COPY)
        return index.read_bytes()
    except OSError as error:
        raise unreadable(index, error) from error


def _entry(name: str, stored: Stored) -> TensorEntry:
    shards = tuple(sorted({piece.shard for piece in stored.pieces}))
    return TensorEntry(name, stored.dtype, stored.shape, stored.nbytes, shards, len(stored.pieces))


def _fill(path: Path, offset: int, array: Array, *, verify: bool) -> int:
    """Fill a contiguous array with a file's bytes from `offset` on; their CRC-32C, or 0 without `verify`."""
    flat = array.reshape(-1).view(np.uint8)
    crc = 0
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            for start in range(0, flat.size, _CHUNK):
                chunk = flat[start : start + _CHUNK]
                rest = chunk.data
                while rest:
                    got = file.readinto(rest)
                    if not got:
                        raise ParityError("the data file ended while it was read", where=path, remedy=_COPY)
                    rest = rest[got:]
                if verify:
                    crc = google_crc32c.extend(crc, chunk)
    except OSError as error:
        raise unreadable(path, error) from error
    return crc
