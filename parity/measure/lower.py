"""Arithmetic of a lower precision: a run's error beside that of the same precision, emulated where its recipe says.

`numerics.md`, "Lower precision is two questions". Unit roundoff is no scale: where roundings happen decides, by a
factor of ten. So the reference is run with exactly these roundings, and a sound run errs as much as that. More is a
fault; much less means that another arithmetic ran than the label says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from parity.measure.places import places_of
from parity.measure.station import Station
from parity.measure.verdict import Verdict
from parity.tensorfile import Array
from parity.traces import TraceBatch

Read: TypeAlias = Callable[[int], TraceBatch]

LIMIT: Final = 1.5
"""Largest ratio of a sound run's error to the emulated one's."""
UNDERSTATED: Final = 0.5
"""Least ratio: below, the arithmetic is better than its label."""
FEWEST: Final = 64
"""Fewest values a ratio is judged on."""
UNTOUCHED: Final = 8.0
"""A station whose emulated error is within so many float32 floors is computed in float32, and judged so."""


@dataclass(frozen=True)
class Lowered:
    """Errors of one station, pooled over a run's batches."""

    count: int
    error: float
    """rms of the run against the oracle (on the weights as shipped)."""
    emulated: float
    """rms of the emulated precision against the same."""
    size: float
    """rms of the oracle."""

    @property
    def ratio(self) -> float:
        """1: the run rounds as its recipe says."""
        return self.error / self.emulated if self.emulated else math.nan

    @property
    def relative(self) -> float:
        """The error in units of the values themselves."""
        return self.error / self.size if self.size else math.nan


def measure(
    axes: Mapping[str, str],
    candidate: Read,
    oracle: Read,
    emulated: Read,
    batches: Sequence[int],
    *,
    taps: Collection[str] | None = None,
) -> dict[str, Lowered]:
    """Pool the errors of a run and of its emulation.

    Args:
        axes: how the axes of every station are spelt.
        candidate: reads the run's trace of a batch, by number; what it lacks or skips is left out.
        oracle: the float64 reference, on the weights that the run's artifact ships.
        emulated: the reference in the run's precision, on the same weights.
        batches: numbers of the batches.
        taps: the stations to look at; all unless said.
    """
    sums: dict[str, list[Array]] = {}
    for number in batches:
        run, truth, like = candidate(number), oracle(number), emulated(number)
        for tap in axes if taps is None else (tap for tap in axes if tap in taps):
            if run.skipped is not None or tap not in run.taps or run.taps[tap].shape != truth.taps[tap].shape:
                continue
            chosen = _judged(axes[tap], truth.taps[tap].shape, truth.inputs)
            exact = truth.taps[tap][chosen].astype(np.float64)
            errors = (party.taps[tap][chosen].astype(np.float64) - exact for party in (run, like))
            with np.errstate(over="ignore"):
                squares = [float(np.square(values).sum()) for values in (*errors, exact)]
            sums.setdefault(tap, []).append(np.array([exact.size, *squares]))
    found: dict[str, Lowered] = {}
    for tap, parts in sums.items():
        count, *squares = np.sum(parts, axis=0).tolist()
        found[tap] = Lowered(int(count), *(math.sqrt(square / count) if count else math.nan for square in squares))
    return found


def price(axes: Mapping[str, str], shipped: Read, source: Read, batches: Sequence[int]) -> dict[str, Lowered]:
    """What a storage format costs: the oracle on the weights as shipped against the oracle on the source's.

    The same numbers as `measure` gives, `error` being the price and `emulated` 0.
    """
    return measure(axes, shipped, source, source, batches)


def lower_verdict(
    station: Station, lowered: Lowered | None, *, floor: float, float32: Station | None = None
) -> Verdict:
    """Decide about one station of a run that claims a lower precision.

    Args:
        station: measured with the precision it claims: what is missing, not finite, of another shape or dtype.
        lowered: its errors; None where the precision has no recipe here.
        floor: the float32 floor of the station.
        float32: the station judged as float32, for those that the precision leaves in float32.
    """
    if station.trouble:
        return Verdict("fail", None, None, station.trouble)
    if station.status == "skip":
        return Verdict("skip", None, None, station.message)
    claims = f"claims {station.measure.precision}"
    if lowered is None:
        return Verdict("report", None, None, f"{claims}: measured only, no recipe tells where this runtime rounds")
    if not math.isfinite(lowered.emulated):
        return Verdict("fail", None, None, f"{claims}: the emulated precision overflows here, and so may the run")
    if lowered.emulated <= UNTOUCHED * floor and float32 is not None:
        status = "fail" if float32.status not in ("pass", "report") else float32.status
        return Verdict(status, float32.value, float32.limit, f"{claims}, float32 here: {float32.message}")
    if lowered.count < FEWEST:
        message = f"{claims}: {lowered.ratio:.3g} times the emulated error, of {lowered.count} values only"
        return Verdict("report", lowered.ratio, None, message)
    told = f"{claims}: {lowered.ratio:.3g} times the error of that precision emulated"
    if not lowered.ratio <= LIMIT:
        return Verdict("fail", lowered.ratio, LIMIT, f"{told}, limit {LIMIT}")
    if not lowered.ratio >= UNDERSTATED:
        message = f"{told}, expected {UNDERSTATED} at least: another arithmetic ran than the label says"
        return Verdict("fail", lowered.ratio, UNDERSTATED, message)
    return Verdict("pass", lowered.ratio, LIMIT, told)


def _judged(axes: str, shape: tuple[int, ...], inputs: Mapping[str, Array]) -> Array:
    """Which positions count, bool over all axes but the last: real ones, repeated logit positions once."""
    places = places_of(axes, shape, inputs)
    chosen = np.ones(shape[:-1], bool) if places.real is None else places.real.copy()
    if places.positions is not None:
        for row, positions in enumerate(places.positions):
            again = np.ones(len(positions), bool)
            again[np.unique(positions, return_index=True)[1]] = False
            chosen[row, again] = False
    return chosen
