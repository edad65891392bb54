"""Two answers of one runtime to the same rows: bit-equal, apart by no more than rounding, or not the same mathematics.

Each of two sound float32 runs may lie L floors from the oracle (`limits`). Their errors come of the same roundings or
of others, never of opposite ones (correlations between runtimes: 0.06 to 0.63, never below 0), so that the squares of
what they differ by at most add up: the difference may be sqrt(2) L floors, of every group the limits know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.measure.floor import IGNORED, Floor, FloorBatch, pool
from parity.measure.judgement import Finding, findings_of
from parity.measure.limits import Groups, Limits
from parity.measure.noise import Errors
from parity.tensorfile import Array

TWO_RUNS: Final = math.sqrt(2)
"""How far two runs may lie apart, in units of how far one may lie from the truth."""


@dataclass(frozen=True)
class Pair:
    """One tap on one batch: the answer as usual, and the answer to the same rows fed otherwise."""

    batch: str
    usual: Array
    other: Array
    floor: FloorBatch
    """Accumulated, of the batch as usual; it says which positions are judged."""


@dataclass(frozen=True)
class Sameness:
    """What became of one station."""

    tap: str
    unequal: int
    """Values at real positions whose bits differ."""
    ratio: float
    """The noise ratio of the difference, in floors; 0 where every bit is equal."""
    limit: float
    worst: Finding | None
    """The group nearest to, or furthest beyond, its limit; None where all bits are equal or nothing is rounded."""
    problem: str = ""
    """What made comparing impossible, or must not be: it is red."""

    @property
    def holds(self) -> bool:
        """No problem, and within every limit (never with NaN)."""
        return not self.problem and (not self.unequal or (self.worst is not None and self.excess <= 1))

    @property
    def excess(self) -> float:
        """The worst ratio in units of its limit."""
        return _excess(self.worst) if self.worst is not None else 0.0


def compare(stations: Mapping[str, Sequence[Pair]]) -> tuple[Sameness, ...]:
    """Compare what was answered at every station.

    Args:
        stations: pairs by tap, in the order data flows.

    Raises:
        ParityError: floors of different numbers of seeds.
    """
    floors = {tap: pool([pair.floor for pair in pairs]) for tap, pairs in stations.items() if pairs}
    groups = Groups.of(floors.values())
    return tuple(_station(tap, pairs, floors.get(tap), groups) for tap, pairs in stations.items())


def _station(tap: str, pairs: Sequence[Pair], floor: Floor | None, groups: Groups) -> Sameness:
    def red(problem: str) -> Sameness:
        return Sameness(tap, 0, math.nan, math.nan, None, problem)

    if floor is None:
        return red("nothing was compared")
    for pair in pairs:
        for what, array in (("as usual", pair.usual), ("fed otherwise", pair.other)):
            if not np.isfinite(array[pair.floor.state > IGNORED]).all():
                return red(f"NaN or infinite {what} in {pair.batch}")
        if pair.usual.dtype != pair.other.dtype:
            return red(f"{pair.other.dtype} in place of {pair.usual.dtype} in {pair.batch}")
    if not floor.positions:
        return red("no position was judged")
    unequal = sum(_unequal(pair) for pair in pairs)
    if not unequal:
        return Sameness(tap, 0, 0.0, math.nan, None)
    if floor.rms == 0:
        return Sameness(tap, unequal, math.nan, 0.0, None, "no rounding happens here, yet bits differ")
    errors = Errors(floor)
    for pair in pairs:
        errors.add(pair.batch, pair.other, pair.usual.astype(np.float64), pair.floor)
    ratios = errors.ratios()
    found = [
        Finding(one.group, one.ratio, None if one.limit is None else TWO_RUNS * one.limit, one.place)
        for one in findings_of(ratios, Limits.of(groups, floor))
    ]
    judged = [one for one in found if one.limit is not None]
    return Sameness(tap, unequal, ratios.whole, judged[0].limit or math.nan, max(judged, key=_rank))


def _excess(found: Finding) -> float:
    return found.ratio / found.limit if found.limit else math.nan


def _rank(found: Finding) -> float:
    excess = _excess(found)
    return math.inf if math.isnan(excess) else excess


def _unequal(pair: Pair) -> int:
    mine = pair.floor.state > IGNORED
    bits = np.dtype(f"u{pair.usual.dtype.itemsize}")
    usual, other = (np.ascontiguousarray(array[mine]).view(bits) for array in (pair.usual, pair.other))
    return int(np.count_nonzero(usual != other))
