"""Brings the batches of two traces together: by file name, and only where both were fed the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_paths, real_positions


def files(folder: Path) -> dict[str, Path]:
    """A trace's batch files by name, in order.

    Raises:
        ParityError: the folder is missing or holds no batch.
    """
    return {path.name: path for path in batch_paths(folder)}


def input_trouble(base: TraceBatch, other: TraceBatch) -> str | None:
    """Why these two batches must not be compared: what was fed differs. None if they may.

    Token ids and the like, [B, T], must be equal at every real position: what a runtime pads with is its own affair,
    no value there is ever compared. All other arrays, the mask first, must be equal everywhere.
    """
    if base.inputs.keys() != other.inputs.keys():
        return f"was fed {_names(other.inputs)}, the base {_names(base.inputs)}"
    real = real_positions(base.inputs) if "input_ids" in base.inputs else None
    for name in sorted(base.inputs, key=lambda name: (name != "attention_mask", name != "input_ids", name)):
        ours, theirs = base.inputs[name], other.inputs[name]
        if ours.shape != theirs.shape:
            return f"inputs/{name} has shape {list(theirs.shape)}, the base's {list(ours.shape)}"
        differs = np.asarray(ours != theirs)
        if real is not None and differs.shape == real.shape and name != "attention_mask":
            differs = differs & real
        if differs.any():
            place = tuple(int(i) for i in np.unravel_index(int(differs.argmax()), differs.shape))
            return f"inputs/{name} differs at {list(place)}: got {theirs[place]}, the base has {ours[place]}"
    return None


def _names(inputs: Mapping[str, Array]) -> str:
    return ", ".join(sorted(inputs)) or "nothing"


def fed_alike(trace: TraceBatch, inputs: Mapping[str, Array]) -> bool:
    """Whether a runtime was fed these token ids at every real position; one that does not tell was fed what it got."""
    fed, real = trace.inputs.get("input_ids"), real_positions(inputs)
    return fed is None or (fed.shape == real.shape and not (fed != inputs["input_ids"])[real].any())
