"""Which tensors does this source hold, byte for byte? Without TensorFlow, and with nothing of a file executed."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from parity.checkpoints.checkpoint import Checkpoint, TensorEntry
from parity.checkpoints.fingerprint import fingerprint
from parity.checkpoints.flat_write import write_flat
from parity.checkpoints.opening import open_checkpoint
from parity.checkpoints.sniff import KINDS, sniff
from parity.checkpoints.write import write_bundle
from parity.tensorfile import Array, TensorSpec

WRITERS: dict[str, Callable[[Path, Sequence[TensorSpec], Iterable[Array]], object]] = {
    "bundle": write_bundle,
    "openai-params": write_flat,
}
"""How a container is written, by its name: `(prefix, specs, arrays)`."""

__all__ = [
    "KINDS",
    "WRITERS",
    "Checkpoint",
    "TensorEntry",
    "fingerprint",
    "open_checkpoint",
    "sniff",
    "write_bundle",
]
