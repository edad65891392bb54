"""Bytes of a file straight into an array's memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parity.checkpoints.sniff import unreadable
from parity.errors import ParityError
from parity.tensorfile import Array


def fill(path: Path, offset: int, array: Array) -> None:
    """Fill a contiguous array with a file's bytes from `offset` on.

    Raises:
        ParityError: the file ends before, or cannot be read.
    """
    rest = array.reshape(-1).view(np.uint8).data
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while rest:
                got = file.readinto(rest)
                if not got:
                    raise ParityError("ended while it was read", where=path, remedy="copy it again")
                rest = rest[got:]
    except OSError as error:
        raise unreadable(path, error) from error
