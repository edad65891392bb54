"""Pickles read as data: a stack machine of our own over the opcodes, in which nothing can be called or imported.

Python's unpickler runs what a file tells it to. Here a name in the file is only a name: those of a given list become
inert objects that keep what they were given, and every other is refused. There is no import, no call, no extension
registry and no persistent id. What a file can make us hold is bounded by its own size.

The opcodes are those of PEP 307, PEP 3154 and PEP 574, as documented in CPython's Lib/pickletools.py.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.inputs.pickle_machine import REMEDY, Inert, Instance, Machine, Name
from parity.inputs.pickle_opcodes import OPCODES, REFUSED

__all__ = ["LARGEST", "Inert", "Instance", "read_pickle"]

LARGEST = 8 << 30
"""Bytes of a file: a pickled corpus of a hundred million words is a tenth of it."""


def read_pickle(path: Path, allowed: Mapping[Name, str]) -> Any:
    """The object in a pickle: numbers, strings, lists, tuples, dicts, and objects of the names allowed.

    Bytes of Python 2's strings are read as UTF-8, and as Latin-1 where they are not that. Strings beyond `LONG` bytes
    become `Inert`.

    Args:
        path: the file.
        allowed: (module, name) -> `instance` (attributes are kept), `mapping` (becomes a dict) or `inert`.

    Raises:
        ParityError: unreadable, not a pickle, or one that asks for anything else; the message names what.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= LARGEST:
            got, expected = f"{size} bytes", f"1 to {LARGEST}"
            raise ParityError("no pickle of a believable size", where=path, got=got, expected=expected, remedy=REMEDY)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return Machine(data, allowed, path).run(OPCODES, REFUSED)
    except OSError as error:
        raise ParityError(f"cannot be read: {error.strerror}", where=path, remedy="check the path") from error
