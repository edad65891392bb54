"""One pass over the arrays of one tap and batch: every value read as float64, every sum kept in float64.

NumPy's own loops do the work and no large product: the sums do not depend on the number of threads, and nothing is
allocated that grows with the arrays but a few numbers per position.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.measure import spread
from parity.measure.sums import (
    AGAINST_ORACLE,
    AGAINST_SOURCE,
    PAIRS,
    SOURCE_ERROR,
    Deviation,
    Floats,
    Pair,
    Party,
    Sums,
)
from parity.measure.tiles import BLOCK, Matrices, Rows, Tile, per_position, tiles
from parity.tensorfile import Array


@dataclass(frozen=True)
class Swept:
    """What one pass found."""

    sums: Sums
    positions: Mapping[Pair, Floats]
    """Sums of squares per compared position [n]."""
    worst: tuple[int, int] | None
    """Which compared position and which channel deviates most, non-finite before all; None if nothing deviates."""


def sweep(matrices: Matrices, real: Rows | None) -> Swept:
    """Measure one tap on one batch.

    Args:
        matrices: values [N, C] by party, any float dtype, equal shapes; source and oracle may be absent.
        real: ascending numbers of the rows of these matrices to be compared; None for all N.
    """
    height, width = matrices["candidate"].shape
    compared = height if real is None else len(real)
    scratch = _Scratch(matrices)
    pairs = {pair: _Pair(pair, compared, width) for pair in PAIRS if set(pair) <= matrices.keys()}
    # Where there is a reference, what is not finite in the candidate shows in the deviation.
    own: list[Party] = [party for party in matrices if party != "candidate"] or ["candidate"]
    squares = {party: per_position(compared, width) for party in own}
    with np.errstate(all="ignore"):  # what is not finite is counted below, not warned about
        for tile in tiles(matrices, real):
            scratch.load(tile)
            for party, place in squares.items():
                np.vecdot(scratch.wide[party], scratch.wide[party], out=tile.part(place))
            for one in pairs.values():
                one.take(tile, scratch)
    totals: dict[Party, float] = {party: float(values.sum()) for party, values in squares.items()}
    deviations = {pair: one.result() for pair, one in pairs.items()}
    finite = all(map(math.isfinite, [*totals.values(), *(one.squares for one in deviations.values())]))
    nonfinite = dict.fromkeys(matrices, 0) if finite else _count_nonfinite(matrices, real)
    sums = Sums(compared * width, totals, nonfinite, deviations)
    worst = _worst(pairs) if finite else _first_nonfinite(matrices, real)
    return Swept(sums, {pair: one.squares.sum(axis=0) for pair, one in pairs.items()}, worst)


class _Scratch:
    """The buffers of one block, cut to the shape of the tile at hand."""

    def __init__(self, matrices: Matrices) -> None:
        self._wide = {party: np.empty(BLOCK) for party, m in matrices.items() if m.dtype != np.float64}
        self._flat = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK, np.bool_), np.empty(BLOCK, np.intp)
        self._rounded: dict[tuple[Party, np.dtype[Any]], Array] = {}
        self._shape: tuple[int, ...] = ()
        self.wide: dict[Party, Floats] = {}
        """Each party's tile as float64."""

    def load(self, tile: Tile) -> None:
        """Cut the buffers to the tile's shape and widen its values."""
        if tile.shape != self._shape:
            self._shape = tile.shape
            self._widened = {party: self._cut(flat) for party, flat in self._wide.items()}
            self.error, self.square, self.equal, bins = map(self._cut, self._flat)
            self.pattern, self.bins = self.square.reshape(-1).view(np.uint64), bins.reshape(-1)
        for party, values in tile.raw.items():
            self.wide[party] = self._widened.get(party, values)
            if party in self._widened:
                np.copyto(self._widened[party], values)
        self._fresh: set[tuple[Party, np.dtype[Any]]] = set()

    def _cut(self, flat: Array) -> Array:
        return flat[: math.prod(self._shape)].reshape(self._shape)

    def same(self, tile: Tile, pair: Pair) -> int:
        """How many values of the first party are, bit for bit, the second's rounded to the first's dtype."""
        values, reference = (tile.raw[party] for party in pair)
        if reference.dtype != values.dtype:
            reference = self._round(pair[1], reference, values.dtype)
        pattern = _PATTERNS[values.dtype.itemsize]
        np.equal(values.view(pattern), reference.view(pattern), out=self.equal)
        return int(np.count_nonzero(self.equal))

    def _round(self, party: Party, values: Array, dtype: np.dtype[Any]) -> Array:
        """That party's tile in another dtype; two pairs may ask for the same."""
        key = (party, dtype)
        if key not in self._rounded:
            self._rounded[key] = np.empty(BLOCK, dtype)
        cut = self._cut(self._rounded[key])
        if key not in self._fresh:
            np.copyto(cut, values, casting="unsafe")
            self._fresh.add(key)
        return cut


_PATTERNS = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


class _Pair:
    """The sums of one pair while the pass lasts."""

    def __init__(self, pair: Pair, compared: int, width: int) -> None:
        self._pair = pair
        self._total = 0.0
        self._largest_square = 0.0
        self._same = 0
        self._channels = np.zeros(width)
        self._counts = np.zeros(spread.RAW_BINS, np.int64)
        self.squares = per_position(compared, width)
        self.worst: tuple[int, int] | None = None

    def take(self, tile: Tile, scratch: _Scratch) -> None:
        first, second = self._pair
        error, square, place = scratch.error, scratch.square, tile.part(self.squares)
        np.subtract(scratch.wide[first], scratch.wide[second], out=error)
        np.square(error, out=square)
        np.vecdot(error, error, out=place)
        self._channels[tile.left : tile.left + tile.shape[1]] += np.add.reduce(square, axis=0)
        if self._pair == SOURCE_ERROR:
            # Asked of the source is only its size, and whether it is the rounded oracle everywhere: then `same` is all.
            self._same += 0 if place.any() else scratch.same(tile, self._pair)
            return
        self._same += scratch.same(tile, self._pair)
        self._total += float(np.add.reduce(error, axis=None))
        flat = int(square.argmax())
        largest = square.item(flat)
        if largest > self._largest_square:
            row, column = divmod(flat, tile.shape[1])
            self._largest_square, self.worst = largest, (tile.start + row, tile.left + column)
        np.right_shift(scratch.pattern, spread.RAW_SHIFT, out=scratch.bins.view(np.uint64))
        counts = np.bincount(scratch.bins)
        self._counts[: len(counts)] += counts

    def result(self) -> Deviation:
        squares = float(self.squares.sum())
        # The root of a correctly rounded square is the number itself.
        return Deviation(
            total=self._total,
            squares=squares,
            largest=math.sqrt(self._largest_square) if math.isfinite(squares) else math.nan,
            same=self._same,
            channels=self._channels,
            spread=spread.folded(self._counts),
        )


def _worst(pairs: Mapping[Pair, _Pair]) -> tuple[int, int] | None:
    """By the deviation from the oracle, or from the source where there is no oracle."""
    judge = next((pairs[pair] for pair in (AGAINST_ORACLE, AGAINST_SOURCE) if pair in pairs), None)
    return judge.worst if judge else None


def _count_nonfinite(matrices: Matrices, real: Rows | None) -> dict[Party, int]:
    counts = dict.fromkeys(matrices, 0)
    for tile in tiles(matrices, real):
        for party, values in tile.raw.items():
            counts[party] += int(np.count_nonzero(~np.isfinite(values)))
    return counts


def _first_nonfinite(matrices: Matrices, real: Rows | None) -> tuple[int, int] | None:
    for party in matrices:
        for tile in tiles(matrices, real):
            found = ~np.isfinite(tile.raw[party])
            if found.any():
                row, column = divmod(int(found.argmax()), tile.shape[1])
                return tile.start + row, tile.left + column
    return None
