"""The floor of a station: what float32 rounding does to it, batch by batch on disk and pooled over a run.

A floor trace holds, instead of taps, five arrays per tap and kind of noise, `floor/<kind>/<tap>/<part>`:

| part | shape | meaning, averaged over seeds |
|---|---|---|
| channel | float64 [C] | sum of n^2 over the batch's judged positions |
| white | float64 [C] | the same sum, each position divided by its own mean square over channels |
| spread | float64 [C] | variance, from seed to seed, of the first sum |
| token | float64 [B, ...] | mean of n^2 over channels, of every position of the tap |
| state | uint8 [B, ...] | what becomes of each position: `IGNORED`, `JUDGED` or `REPORTED` |

n is the noise of one rounding unit 2^-24, `own` with every station fed exactly, `accumulated` from the inputs on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from parity.errors import ParityError
from parity.tensorfile import Array
from parity.traces import TraceBatch

Kind: TypeAlias = Literal["accumulated", "own"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
PARTS: Final = ("channel", "white", "spread", "token", "state")
IGNORED: Final = 0
"""Padding, and a logit position that repeats another."""
JUDGED: Final = 1
REPORTED: Final = 2
"""In a row that normalises something too uniform: float32 can be arbitrarily wrong there, and nobody is to blame."""
_PREFIX: Final = "floor"

LEAST_CHANNEL: Final = 1 / 8
"""Least floor of a channel, in units of the median channel's: trained models have dead channels."""
LEAST_PLACE: Final = 1 / 2
"""Least floor of a token or row, in units of the median token's: few roundings make one up, few seeds see them."""

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


def name_of(kind: Kind, tap: str, part: str) -> str:
    """What an array of a floor trace is called."""
    return f"{_PREFIX}/{kind}/{tap}/{part}"


def names(taps: Iterable[str], *, kinds: Iterable[Kind] = KINDS) -> tuple[str, ...]:
    """The arrays of a floor trace for these taps: what a floor job asks for."""
    return tuple(name_of(kind, tap, part) for tap in taps for kind in kinds for part in PARTS)


def tap_of(name: str) -> str:
    """The tap that an array of a floor trace is about.

    Raises:
        ParityError: not such a name.
    """
    tap = "/".join(name.split("/")[2:-1])
    if not tap or name not in names([tap]):
        raise ParityError("not an array of a floor trace", got=name, expected=f"{_PREFIX}/KIND/TAP/PART")
    return tap


@dataclass(frozen=True)
class FloorBatch:
    """One tap's floor on one batch."""

    channel: Floats
    white: Floats
    spread: Floats
    token: Floats
    state: NDArray[np.uint8]
    seeds: int

    @property
    def judged(self) -> Bools:
        """Positions that are judged, shape of `token`."""
        return np.equal(self.state, JUDGED)

    @property
    def reported(self) -> Bools:
        """Positions that are only reported."""
        return np.equal(self.state, REPORTED)


def read(batch: TraceBatch, tap: str, kind: Kind) -> FloorBatch:
    """One tap's floor from one batch of a floor trace.

    Raises:
        ParityError: the batch has no floor of that tap.
    """
    wanted = {part: name_of(kind, tap, part) for part in PARTS}
    seeds = str(batch.meta.get("describe", {}).get("seeds", ""))
    if not seeds.isdigit() or not set(wanted.values()) <= batch.taps.keys():
        raise ParityError(f"no floor of {tap} here", got=", ".join(batch.taps) or "nothing", remedy="run a floor job")
    return FloorBatch(**{part: batch.taps[name] for part, name in wanted.items()}, seeds=int(seeds))


def held(batches: Sequence[TraceBatch], tap: str, kind: Kind) -> list[FloorBatch]:
    """The floors of one tap in the batches that have it: some values are not there in every batch."""
    part = name_of(kind, tap, PARTS[0])
    return [read(batch, tap, kind) for batch in batches if part in batch.taps]


@dataclass(frozen=True)
class Floor:
    """One tap's floor, pooled over the batches of a run."""

    rms: float
    """Over everything; 0 = the station is exact."""
    channels: Floats | None
    """Per channel [C], at least an eighth of the median's; None where batches differ in C."""
    width: int
    """Channels that are judged; 0 where batches differ in C."""
    positions: int
    rows: int
    """Rows with two positions or more; a row with one is a token."""
    seeds: int
    token: float
    """The median token's. One massive token raises `rms` a hundredfold, and must not hide the others."""
    freedom: float = math.inf
    """Degrees of freedom of a channel as the noise itself shows them: attention hands an error on to a row's other
    tokens, so that a channel has fewer independent ones the deeper it lies."""
    white: float = 1.0
    """mean (n / sigma)^2: what a whitened error is measured in."""

    def places(self, mean_squares: Array) -> Floats:
        """Floors of tokens or rows from their mean squares: the root, at least half of the median token's."""
        return np.maximum(np.sqrt(mean_squares), LEAST_PLACE * self.token)

    def weights(self, columns: int) -> Floats:
        """(F / F_c)^2 of each of so many channels: what makes up an error's whitening beside the position's."""
        return np.ones(columns) if self.channels is None else np.square(self.rms / self.channels)


def pool(batches: Sequence[FloorBatch]) -> Floor:
    """The floor of a run.

    Raises:
        ParityError: no batch, or of different numbers of seeds.
    """
    seeds = {batch.seeds for batch in batches}
    if len(seeds) != 1:
        raise ParityError("floors of different numbers of seeds, or none at all", got=sorted(seeds))
    each = [batch.token[batch.judged] for batch in batches]
    tokens = np.concatenate(each)
    positions = len(tokens)
    rms = math.sqrt(tokens.mean()) if positions else math.nan
    channels, freedom = None, math.inf
    if len({len(batch.channel) for batch in batches}) == 1 and positions:
        total = np.sum([batch.channel for batch in batches], axis=0)
        channels = np.sqrt(total / positions)
        alive = (channels > 0) & (channels >= LEAST_CHANNEL * _median(channels))
        channels = np.maximum(channels, LEAST_CHANNEL * _median(channels))
        freedom = _freedom(total[alive], np.sum([batch.spread for batch in batches], axis=0)[alive])
    width = 0 if channels is None else len(channels)
    rows = sum(int((batch.judged.reshape(len(batch.state), -1).sum(axis=1) > 1).sum()) for batch in batches)
    bare = Floor(rms, channels, width, positions, rows, seeds.pop(), _median(np.sqrt(tokens)), freedom)
    if not 0 < rms < math.inf:
        return bare
    # Exact where no token lies under its clamp; there, as if the channels' shares were those of the other tokens.
    white = sum(
        float((batch.white * bare.weights(len(batch.white))).sum() / len(batch.white))
        * float((mine / np.square(bare.places(mine))).mean())
        for batch, mine in zip(batches, each, strict=True)
        if mine.size
    )
    return replace(bare, white=white / positions)


def _freedom(total: Floats, spread: Floats) -> float:
    """A sum of v independent squares has the variance 2 / v times its squared mean; batches are independent."""
    relative = float(np.mean(spread / np.square(total))) if total.size else 0.0
    return 2 / relative if relative > 0 else math.inf


def _median(floors: Floats) -> float:
    """Of what is not exact."""
    noisy = floors[floors > 0]
    return float(np.median(noisy)) if noisy.size else 0.0
