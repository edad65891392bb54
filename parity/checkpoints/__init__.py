"""Which tensors does this source hold, byte for byte? Without TensorFlow, and with nothing of a file executed."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from parity.checkpoints.checkpoint import Checkpoint, TensorEntry
from parity.checkpoints.fingerprint import file_digest, fingerprint
from parity.checkpoints.openai_write import write_openai
from parity.checkpoints.opening import open_checkpoint
from parity.checkpoints.sniff import KINDS, sniff
from parity.checkpoints.write import write_bundle
from parity.tensorfile import Array, TensorSpec

WRITERS: dict[str, Callable[[Path, Sequence[TensorSpec], Iterable[Array]], tuple[Path, ...]]] = {
    "bundle": write_bundle,
    "openai-params": write_openai,
}
"""How a container is written, by its name: `(prefix, specs, arrays)` -> files; but for a bundle, whose prefix is none,
it is opened by the first of them."""

__all__ = [
    "KINDS",
    "WRITERS",
    "Checkpoint",
    "TensorEntry",
    "file_digest",
    "fingerprint",
    "open_checkpoint",
    "sniff",
    "write_bundle",
]
