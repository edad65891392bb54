"""The smallest change of each weight that a run could have seen, and so which bits of which weights it has checked.

`numerics.md`: a weight that is changed by dw moves output channel j of its product by dw x_i. At the tensor's own tap
that is seen once it exceeds what rounding may do there, so that dw_min(i, j) = L F_j / (g_j rms_t(x_i)): L the
channels' limit, F_j the own floor of the channel, x_i what the weight is multiplied by (one-hot for a row of a table, 1
for a bias), and g_j how much of a change of the product is left where the stage hands it on (activation, norm).

A visibility trace holds four arrays per use of a weight, `visible/<stage>/<variable>/<part>`, sums over the judged
positions of the batch:

| part | shape | meaning |
|---|---|---|
| input | float64 [K] | sum of x_i^2; of a table, how often each row was looked up |
| gain | float64 [C] | sum of g_j^2 |
| noise | float64 [C] | sum of n_j^2, the stage's own rounding, averaged over seeds |
| positions | float64 [1] | how many positions that were |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from parity.errors import ParityError
from parity.measure.floor import LEAST_CHANNEL, Floats
from parity.measure.limits import CHANNEL_FREEDOM, LEAST_POSITIONS, limit
from parity.tensorfile import Array
from parity.traces import TraceBatch

Kind: TypeAlias = Literal["product", "table", "vector"]
PARTS: Final = ("input", "gain", "noise", "positions")
BITS: Final = (8, 11, 14, 17, 20)
"""Bits of a significand that are reported, 1 the leading one: a relative change of 2^-10 is one of the 11th."""
SEEDS: Final = 4
"""Of the floor that a run judges by: they decide about its limits."""
_MOST: Final = 64
_BLOCK: Final = 1 << 20
"""Weights looked at together."""


@dataclass(frozen=True)
class Use:
    """Where and how a stage uses a variable."""

    stage: str
    variable: str
    kind: Kind
    transposed: bool = False
    """A product with the variable's transpose: its rows are the output channels."""

    def part(self, part: str) -> str:
        """What an array of a visibility trace is called."""
        return f"visible/{self.stage}/{self.variable}/{part}"

    def matrix(self, values: Array) -> Array:
        """The variable as [K, C]: inputs (or rows of a table, or 1) by output channels; a view."""
        plain = values.reshape(1, -1) if self.kind == "vector" else values
        return plain.T if self.transposed else plain


def names(uses: Iterable[Use]) -> tuple[str, ...]:
    """The arrays of a visibility trace: what a job asks for."""
    return tuple(use.part(part) for use in uses for part in PARTS)


@dataclass(frozen=True)
class Sight:
    """What one use of a variable could show in a run."""

    use: Use
    inputs: Floats
    """[K]: rms_t(x_i)."""
    gains: Floats
    """[C]: g_j; 0 where no change arrives."""
    bounds: Floats
    """[C]: L F_j, which an error of the channel has to exceed; 0 where nothing is rounded."""
    positions: int

    @property
    def channels(self) -> Floats:
        """[C]: g_j / (L F_j), by which a visible change becomes more than 1."""
        with np.errstate(divide="ignore"):
            return np.divide(self.gains, self.bounds, out=np.zeros_like(self.gains), where=self.gains > 0)

    def smallest(self) -> Floats:
        """[K, C]: the smallest visible change of every weight; infinite where none would be seen."""
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = 1 / (self.inputs[:, None] * self.channels)
        return np.where((self.inputs[:, None] > 0) & (self.gains > 0), changes, math.inf)


def pool(uses: Sequence[Use], batches: Iterable[TraceBatch]) -> tuple[Sight, ...]:
    """Add up a run's batches.

    Raises:
        ParityError: a trace lacks a use, or there is no batch.
    """
    sums: dict[str, Floats] = {}
    for batch in batches:
        for name in names(uses):
            if name not in batch.taps:
                raise ParityError(f"the visibility trace lacks {name}", remedy="run the job again")
            sums[name] = sums[name] + batch.taps[name] if name in sums else np.array(batch.taps[name], np.float64)
    if not sums:
        raise ParityError("a visibility trace without batches")
    widths = {use.stage: len(sums[use.part("gain")]) for use in uses}
    groups = sum(widths.values())
    return tuple(_sight(use, {part: sums[use.part(part)] for part in PARTS}, groups) for use in uses)


def _sight(use: Use, sums: Mapping[str, Floats], groups: int) -> Sight:
    positions = int(sums["positions"][0])
    if positions < LEAST_POSITIONS:  # where channels are not judged, nothing of one weight is seen
        width = len(sums["gain"])
        return Sight(use, np.zeros_like(sums["input"]), np.zeros(width), np.zeros(width), positions)
    floor = np.sqrt(sums["noise"] / positions)
    noisy = floor[floor > 0]
    floor = np.maximum(floor, LEAST_CHANNEL * np.median(noisy)) if noisy.size else floor
    bound = limit(groups, min(positions, CHANNEL_FREEDOM), seeds=SEEDS)
    inputs, gains = (np.sqrt(sums[part] / positions) for part in ("input", "gain"))
    return Sight(use, inputs, gains, bound * floor, positions)


@dataclass(frozen=True)
class Seen:
    """How much of one variable a run could see at one stage."""

    use: Use
    weights: int
    zeros: int
    """Weights that are 0: they have no bits to speak of."""
    untouched: int
    """Weights that no judged position multiplied with anything but 0, or whose change does not arrive."""
    bits: Mapping[int, float]
    """Bit -> share of the weights (zeros apart) of which a change of that bit would have been seen."""
    median_bit: int | None
    """The last bit that was seen of at least half of the weights; None if not even the first was."""


def seen(sight: Sight, values: Array) -> Seen:
    """Which bits of a variable's weights were seen.

    Args:
        sight: of one use.
        values: the variable, as the checkpoint holds it.

    Raises:
        ParityError: it has another shape than the use.
    """
    weights = sight.use.matrix(values)
    if weights.shape != (len(sight.inputs), len(sight.channels)):
        expected = [len(sight.inputs), len(sight.channels)]
        raise ParityError(f"{sight.use.variable} has another shape", got=list(weights.shape), expected=expected)
    counts, zeros, channels = np.zeros(_MOST + 1, np.int64), 0, sight.channels
    untouched = int(np.count_nonzero(sight.inputs == 0)) * weights.shape[1]
    untouched += int(np.count_nonzero(sight.inputs)) * int(np.count_nonzero(sight.gains == 0))
    step = max(1, _BLOCK // weights.shape[1])
    for start in range(0, len(weights), step):
        block = np.abs(weights[start : start + step].astype(np.float64))
        zeros += int(np.count_nonzero(block == 0))
        with np.errstate(invalid="ignore"):
            block *= channels
            block *= sight.inputs[start : start + step, None]
        mine = block[block > 0]
        # |w| / dw in [2^(b-1), 2^b): a change of 2^-(b-1) |w| and all larger ones are seen.
        last = np.where(np.isfinite(mine), np.clip(np.frexp(mine)[1], 0, _MOST), _MOST)
        counts += np.bincount(last, minlength=_MOST + 1)
    nonzero = max(weights.size - zeros, 1)
    at_least = np.cumsum(counts[::-1])[::-1] / nonzero
    half = np.flatnonzero(at_least[1:] >= 0.5)
    return Seen(
        use=sight.use,
        weights=weights.size,
        zeros=zeros,
        untouched=untouched,
        bits={bit: float(at_least[bit]) for bit in BITS},
        median_bit=int(half[-1]) + 1 if half.size else None,
    )
