"""What tells the contents of one checkpoint from those of another, as cheaply as its format allows."""

from __future__ import annotations

import hashlib

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
        try:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise unreadable(path, error) from error
    return total.hexdigest()
