"""Reading `.npz` files from strangers: no pickle, and every size checked against the archive before any allocation."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from parity.errors import ParityError
from parity.tensorfile import Array

LARGEST = 256 << 20
"""Bytes of all arrays together, unpacked; a million token ids with their masks are 12 MB."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError, ValueError,
    SyntaxError, TypeError, struct.error, tokenize.TokenError,
)  # fmt: skip


def read_npz(path: Path, *, largest: int = LARGEST) -> dict[str, Array]:
    """All arrays of the file by name, fresh and C-ordered.

    Raises:
        ParityError: not a zip archive of .npy members, damaged, unpacking to more than `largest` bytes, or holding
            Python objects.
        OSError: from the file system.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > largest:
                raise _refused(path, "unpacks to too much", got=f"{total} bytes", expected=f"at most {largest}")
            arrays: dict[str, Array] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name == member.filename or name in arrays:
                    raise _refused(path, f"member {member.filename} is no array of its own")
                with archive.open(member) as stream:
                    arrays[name] = _read_array(path, name, stream, member.file_size)
            return arrays
    except _BROKEN as error:
        raise _refused(path, f"is damaged or not an .npz file: {error}") from error


def _read_array(path: Path, name: str, stream: IO[bytes], size: int) -> Array:
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise _refused(path, f"{name} is in an unknown version of the .npy format", got=version)
    shape, fortran, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise _refused(path, f"{name} holds Python objects, which are never unpickled", got=dtype)
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed != size - stream.tell():
        raise _refused(path, f"{name}'s shape does not fit its data", got=shape)
    flat: np.ndarray[Any, Any] = np.frombuffer(stream.read(needed), dtype)
    return np.array(flat.reshape(shape, order="F" if fortran else "C"), order="C")


def _refused(path: Path, what: str, *, got: object = None, expected: object = None) -> ParityError:
    return ParityError(what, where=path, got=got, expected=expected, remedy="write it again with numpy.savez")
