"""Other checkpoints of the same function."""

from __future__ import annotations

import numpy as np

from parity.faults.edits import every
from parity.faults.gpt.names import NARROW, WIDE
from parity.faults.values import Layout, Tensors, fill

_SEED = 8


def _neurons(tensors: Tensors, layout: Layout) -> None:
    order = np.random.default_rng(_SEED).permutation(layout.config.intermediate_size)
    for template, axis in ((f"{WIDE}.weight", 1), (f"{WIDE}.bias", 0), (f"{NARROW}.weight", 0)):
        name = fill(template, layout)
        tensors[name] = np.ascontiguousarray(np.take(tensors[name], order, axis=axis))


neurons = every(_neurons)
"""The neurons between the two kernels of every block in another order."""
