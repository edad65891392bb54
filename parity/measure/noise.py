"""The errors of one party at one station in units of its floor, accumulated batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.errors import ParityError
from parity.measure.floor import Bools, Floats, Floor, FloorBatch
from parity.tensorfile import Array

_BLOCK: Final = 1 << 16
"""Elements looked at together: they stay in a core's cache."""


@dataclass(frozen=True)
class Place:
    """A token or row: batch, row, further indices of its tap, and how far above its floor it lies."""

    batch: str
    index: tuple[int, ...]
    ratio: float
    positions: int


@dataclass(frozen=True)
class Ratios:
    """Errors over floors: 1 is textbook float32. NaN where anything is not finite."""

    whole: float
    """The noise ratio: whitened, so that massive activations hide nothing."""
    channel: float
    """Largest of any channel; NaN where batches differ in C."""
    channel_at: int
    token: Place | None
    """The worst."""
    rows: tuple[Place, ...]
    """All rows with two positions or more."""
    unequal: int
    """Values that are not, bit for bit, the reference rounded to their dtype; counted at exact stations only."""
    reported: tuple[Place, ...]
    """Degenerate rows: how far they deviate, for people."""
    positions: int
    rms: float = math.nan
    """Of the errors themselves, over what is judged."""


class Errors:
    """Adds up `values - reference` of one station over a run's batches."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._white, self._squares, self._positions, self._unequal = 0.0, 0.0, 0, 0
        self._channels = None if floor.channels is None else np.zeros(floor.width)
        self._token: Place | None = None
        self._rows: list[Place] = []
        self._reported: list[Place] = []

    def add(self, batch: str, values: Array, reference: Array, floor: FloorBatch) -> None:
        """Take in one batch.

        Args:
            batch: its name.
            values: [B, ..., C], any float dtype.
            reference: the oracle, same shape, float64.
            floor: the batch's floor; it also says which positions are judged.

        Raises:
            ParityError: the shapes do not belong together.
        """
        if values.shape != reference.shape or values.shape[:-1] != floor.token.shape:
            expected = f"{list(reference.shape)} over {list(floor.token.shape)}"
            raise ParityError("arrays of other shapes than the floor's", got=list(values.shape), expected=expected)
        columns = values.shape[-1]
        squares = self._sweep(values.reshape(-1, columns), reference.reshape(-1, columns), floor)
        self._find_token(batch, squares, floor)
        self._rows += self._find_rows(batch, squares, floor, floor.judged, least=2)
        self._reported += self._find_rows(batch, squares, floor, floor.reported, least=1)

    def _sweep(self, values: Array, reference: Array, floor: FloorBatch) -> Floats:
        """Mean square per position, [B, ...]; sums of what is judged are kept."""
        squares = np.empty(len(values))
        chosen, columns = floor.judged.reshape(-1), values.shape[1]
        noisy = self._floor.rms > 0
        weights = self._floor.weights(columns) if noisy else np.zeros(columns)
        step = max(1, _BLOCK // columns)
        with np.errstate(all="ignore"):  # what is not finite makes its ratio NaN
            places = np.square(self._floor.places(floor.token.reshape(-1)))
            for start in range(0, len(values), step):
                part, mine = slice(start, start + step), chosen[start : start + step]
                error = values[part].astype(np.float64) - reference[part]
                np.square(error, out=error)
                squares[part] = error.mean(axis=1)
                if noisy:
                    self._white += float(((error @ weights)[mine] / places[part][mine]).sum()) / columns
                    if self._channels is not None:
                        self._channels += error[mine].sum(axis=0)
                else:
                    self._unequal += _unequal(values[part][mine], reference[part][mine])
        self._positions += int(chosen.sum())
        self._squares += float(squares[chosen].sum())
        return squares.reshape(floor.token.shape)

    def _find_token(self, batch: str, squares: Floats, floor: FloorBatch) -> None:
        if not floor.judged.any():
            return
        with np.errstate(all="ignore"):
            ratios = np.where(floor.judged, np.sqrt(squares) / self._floor.places(floor.token), -1.0)
        flat = int(np.argmax(ratios))  # a NaN comes first
        ratio = float(ratios.reshape(-1)[flat])
        if self._token is None or not ratio <= self._token.ratio:
            place = tuple(int(i) for i in np.unravel_index(flat, ratios.shape))
            self._token = Place(batch, place, ratio, 1)

    def _find_rows(
        self, batch: str, squares: Floats, floor: FloorBatch, chosen: Bools, *, least: int
    ) -> Iterator[Place]:
        for row, mine in enumerate(chosen):
            positions = int(mine.sum())
            if positions >= least:
                with np.errstate(all="ignore"):
                    own = self._floor.places(floor.token[row][mine].mean())
                    ratio = float(np.sqrt(squares[row][mine].mean()) / own)
                yield Place(batch, (row,), ratio, positions)

    def ratios(self) -> Ratios:
        """What was found in all batches so far."""
        floor, channel, at = self._floor, math.nan, -1
        if self._channels is not None and floor.channels is not None and floor.rms > 0:
            each = np.sqrt(self._channels / max(self._positions, 1)) / floor.channels
            at = int(np.argmax(each))
            channel = float(each[at])
        whole = (
            math.sqrt(self._white / self._positions / floor.white) if self._positions and floor.rms > 0 else math.nan
        )
        return Ratios(
            whole=whole,
            channel=channel,
            channel_at=at,
            token=self._token,
            rows=tuple(self._rows),
            unequal=self._unequal,
            reported=tuple(self._reported),
            positions=self._positions,
            rms=math.sqrt(self._squares / self._positions) if self._positions else math.nan,
        )


def _unequal(values: Array, reference: Array) -> int:
    """Values that are not the reference rounded to their dtype, as bits: -0.0 is not 0.0."""
    pattern = np.dtype(f"u{values.dtype.itemsize}")
    rounded = np.ascontiguousarray(reference.astype(values.dtype))
    return int(np.count_nonzero(np.ascontiguousarray(values).view(pattern) != rounded.view(pattern)))
