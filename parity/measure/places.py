"""Which values of a tap count, and which token each belongs to, from what was fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parity.errors import ParityError
from parity.tensorfile import Array
from parity.traces import real_positions

AT_LOGIT_POSITIONS = frozenset({"logits.mlm", "logits.lm", "log_probs"})
"""Taps as wide as the vocabulary, traced at `logit_positions` only (design.md, "Taps")."""


@dataclass(frozen=True)
class Places:
    """`real`: bool over the leading axes, None if all values count. `positions`: token [B, Q], None if axis 1 is it.

    Where a batch has a target mapping [B, Q, T], Q are its targets, and those that name no token do not count.
    """

    real: NDArray[np.bool_] | None
    positions: Array | None = None


def guess_axes(tap: str, shape: tuple[int, ...], inputs: Mapping[str, Array]) -> str:
    """How the axes of a tap are spelt (B rows, T tokens, Q logit positions, M memory, C channels, H anything else).

    Used where nobody says: [B,C], [B,T,C], at logit positions [B,Q,C], and heads on either side of the tokens.
    """
    tokens = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    if len(shape) == 3 and tap in AT_LOGIT_POSITIONS and "logit_positions" in inputs:
        return "BQC"
    if len(shape) == 4:
        return "BTHC" if shape[1] == tokens else "BHTC"
    return {2: "BC", 3: "BTC"}.get(len(shape), "B" + "H" * (len(shape) - 2) + "C")


def places_of(axes: str, shape: tuple[int, ...], inputs: Mapping[str, Array]) -> Places:
    """Where the values of a tap with these axes and shape count, given the inputs [B, ...] of its batch.

    Raises:
        ParityError: the shape does not fit the axes and inputs, or there is no `input_ids` to go by.
    """
    leading = axes[:-1]
    if len(axes) != len(shape):
        raise ParityError("a tap of another number of axes", got=list(shape), expected=axes)
    along = next((letter for letter in leading if letter in "TQ"), None)
    if along is None:
        return Places(None)
    if "input_ids" not in inputs:
        raise ParityError("no inputs/input_ids to tell real positions from padding")
    real: NDArray[np.bool_] = real_positions(inputs)
    positions = None
    if along == "Q" and "target_mapping" in inputs:
        targets = np.asarray(inputs["target_mapping"])
        positions, real = targets.argmax(axis=-1), np.asarray(targets.any(axis=-1))
    elif along == "Q":
        positions = inputs.get("logit_positions")
        if positions is None or positions.ndim != 2 or len(positions) != len(real):
            raise ParityError("no inputs/logit_positions [B, Q] for a tap traced there")
        if positions.size and not 0 <= positions.min() <= positions.max() < real.shape[1]:
            raise ParityError("inputs/logit_positions point outside the batch", expected=f"below {real.shape[1]}")
        real = np.take_along_axis(real, positions.astype(np.intp), axis=1)
    where = leading.index(along)
    if (shape[0], shape[where]) != real.shape:
        raise ParityError("a tap that does not fit its inputs", got=list(shape), expected=f"{axes} with {real.shape}")
    spread_out = real.reshape(real.shape[0], *(1,) * (where - 1), real.shape[1], *(1,) * (len(leading) - where - 1))
    return Places(np.broadcast_to(spread_out, shape[:-1]), positions)
