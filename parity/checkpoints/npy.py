"""One vector in a NumPy file (.npy), judged by its header and its size before anything is allocated.

The format: six bytes of magic, two of version, the header's length, a Python literal with dtype, order and shape, then
the numbers (numpy.lib.format). The header is parsed as a literal by NumPy itself, never evaluated; pickles in an object
array are not reached, because its dtype is refused.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from parity.checkpoints.sniff import KINDS, sniff, unreadable
from parity.errors import ParityError

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_LONGEST_HEADER = 10_000


@dataclass(frozen=True)
class Vector:
    """Where the numbers of a vector lie: `size` of `dtype`, from byte `offset` on."""

    path: Path
    size: int
    dtype: np.dtype[Any]
    offset: int


def read_vector(path: Path, *, dtype: str) -> Vector:
    """What the header says, found true of the file.

    Raises:
        ParityError: no such file, not a .npy file, not one vector of `dtype` (little endian), or a file that is longer
            or shorter than that.
    """
    remedy = "copy it again from where the weights were published"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or sniff(path) != "npy":
            kind = KINDS[sniff(path)].description
            raise ParityError("not a NumPy array (.npy)", where=path, got=kind, remedy=remedy)
        with path.open("rb") as file:
            version = npy.read_magic(file)
            if version not in _READERS:
                raise ParityError("an unknown version of .npy", where=path, got=version, remedy=remedy)
            shape, _, found = _READERS[version](file, max_header_size=_LONGEST_HEADER)
            offset = file.tell()
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, TypeError, EOFError, MemoryError, RecursionError, SyntaxError) as error:
        said = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise ParityError(f"its header cannot be read: {said}", where=path, remedy=remedy) from error
    if found != np.dtype(dtype) or found.hasobject or found.byteorder == ">":
        raise ParityError("holds another kind of numbers", where=path, got=found.str, expected=np.dtype(dtype).str)
    if len(shape) != 1 or type(shape[0]) is not int or shape[0] < 0:
        raise ParityError("not one vector", where=path, got=f"shape {shape}", expected="one axis")
    wanted = offset + shape[0] * found.itemsize
    if status.st_size != wanted:
        what = "has data behind its array" if status.st_size > wanted else "is cut off"
        raise ParityError(what, where=path, got=f"{status.st_size} bytes", expected=f"{wanted}", remedy=remedy)
    return Vector(path, shape[0], found, offset)
