"""What tells the contents of one checkpoint from those of another, as cheaply as its format allows."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from parity.checkpoints.bundle import FORMAT
from parity.checkpoints.checkpoint import Checkpoint
from parity.checkpoints.sniff import unreadable


def fingerprint(checkpoint: Checkpoint) -> str:
    """SHA-256 (hex) over the files that hold a checksum of every tensor, or over all where the format has none.

    Raises:
        ParityError: a file can no longer be read.
    """
    # A bundle's index, which is its first file, holds every tensor's CRC-32C.
    files = checkpoint.files[:1] if checkpoint.format == FORMAT else checkpoint.files
    total = hashlib.sha256()
    for path in files:
        total.update(file_digest(path))
    return total.hexdigest()


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's bytes. A run asks for it again and again: a file that has not changed is read once.

    Raises:
        ParityError: it cannot be read.
    """
    try:
        status = path.stat()
        return _digest(path, status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise unreadable(path, error) from error


@lru_cache(maxsize=256)
def _digest(path: Path, *_state: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
