"""What one pass over a tap leaves behind: float64 sums of constant size that add up over batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from parity.measure.spread import Counts

Floats: TypeAlias = NDArray[np.float64]
Party: TypeAlias = Literal["candidate", "source", "oracle"]
Pair: TypeAlias = tuple[Party, Party]

AGAINST_SOURCE: Final[Pair] = ("candidate", "source")
AGAINST_ORACLE: Final[Pair] = ("candidate", "oracle")
SOURCE_ERROR: Final[Pair] = ("source", "oracle")
PAIRS: Final = (AGAINST_SOURCE, AGAINST_ORACLE, SOURCE_ERROR)


@dataclass(frozen=True)
class Deviation:
    """Sums over the differences a - b of one pair."""

    total: float
    squares: float
    largest: float
    """Largest magnitude; NaN if any difference is."""
    same: int
    """How many values of a are, bit for bit, b rounded to a's dtype. For the source's own error only where blocks have
    no error at all are looked at: it is asked whether that is everywhere."""
    channels: Floats | None
    """Sums of squares per channel [C]; None where batches differ in C."""
    spread: Counts
    """Histogram of the magnitudes (`parity.measure.spread`); all zero for the source's own error."""

    def __add__(self, other: Deviation) -> Deviation:
        """The sums over both sets of values."""
        alike = self.channels is not None and other.channels is not None and self.channels.shape == other.channels.shape
        return Deviation(
            total=self.total + other.total,
            squares=self.squares + other.squares,
            largest=float(np.maximum(self.largest, other.largest)),
            same=self.same + other.same,
            channels=np.add(self.channels, other.channels) if alike else None,  # type: ignore[arg-type]
            spread=self.spread + other.spread,
        )


@dataclass(frozen=True)
class Sums:
    """All sums of one tap over any number of batches."""

    count: int
    """Values compared: real positions times channels."""
    squares: Mapping[Party, float]
    """Sum of squares of each party's own values."""
    nonfinite: Mapping[Party, int]
    """NaN and infinite values of each party."""
    deviations: Mapping[Pair, Deviation]

    def __add__(self, other: Sums) -> Sums:
        """The sums over both sets of values.

        Raises:
            ValueError: the two are of different parties.
        """
        if self.squares.keys() != other.squares.keys():
            raise ValueError(f"sums of {', '.join(other.squares)} do not add to sums of {', '.join(self.squares)}")
        return Sums(
            count=self.count + other.count,
            squares={party: value + other.squares[party] for party, value in self.squares.items()},
            nonfinite={party: value + other.nonfinite[party] for party, value in self.nonfinite.items()},
            deviations={pair: value + other.deviations[pair] for pair, value in self.deviations.items()},
        )
