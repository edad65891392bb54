"""Cuts the arrays of one tap and batch into blocks that stay in a core's cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from parity.measure.sums import Floats, Party
from parity.tensorfile import Array

BLOCK: Final = 1 << 16
"""Elements of a block. Measured: below it NumPy's cost per call shows, far above it the cache's size."""
STRIP: Final = 1 << 13
"""Columns of a block at most: BLAS threads would sum longer rows; they spin, and split sums by their number."""

Matrices: TypeAlias = Mapping[Party, Array]
Rows: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class Tile:
    """One block: the columns from `left` of the compared positions from `start`."""

    start: int
    left: int
    raw: Matrices
    """Each party's values as stored, [n, c] with n * c <= BLOCK."""

    @property
    def shape(self) -> tuple[int, int]:
        """(positions, columns)."""
        height, width = self.raw["candidate"].shape
        return height, width

    def part(self, positions: Floats) -> Floats:
        """This tile's place in an array made by `per_position`."""
        place: Floats = positions[self.left // _strip(), self.start : self.start + self.shape[0]]
        return place


def tiles(matrices: Matrices, real: Rows | None) -> Iterator[Tile]:
    """All tiles in order; `real` holds the ascending numbers of the rows to be compared, None means all."""
    height, width = matrices["candidate"].shape
    compared = height if real is None else len(real)
    across = max(1, min(width, _strip()))
    step = max(1, BLOCK // across)
    for start in range(0, compared, step):
        rows: slice | Rows = slice(start, min(start + step, compared))
        if real is not None:
            chosen = real[rows]
            # Rows that lie side by side are looked at where they are; only holes cost a copy of the block.
            together = chosen[-1] - chosen[0] + 1 == len(chosen)
            rows = slice(int(chosen[0]), int(chosen[-1]) + 1) if together else chosen
        for left in range(0, width, across):
            yield Tile(start, left, {party: matrix[rows, left : left + across] for party, matrix in matrices.items()})


def per_position(compared: int, width: int) -> Floats:
    """Zeros, one per strip of columns and compared position: float64 [strips, n]; summed over strips at the end."""
    return np.zeros((max(1, -(-width // _strip())), compared))


def _strip() -> int:
    return min(STRIP, BLOCK)
