"""Which tensors does this source hold, byte for byte? V2 checkpoints of TensorFlow, without TensorFlow."""

from parity.checkpoints.bundle import Checkpoint, TensorEntry, open_checkpoint
from parity.checkpoints.sniff import KINDS, sniff
from parity.checkpoints.write import write_bundle

__all__ = ["KINDS", "Checkpoint", "TensorEntry", "open_checkpoint", "sniff", "write_bundle"]
