"""What an rms cannot see in a lower precision: how much of each suspected computation is in a runtime's own errors.

At every hidden layer the reference runs on what the runtime fed it: exactly, with the precision's roundings, and as the
family's config suspects would compute it. The matched filter (`parity.measure.filter`) does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import threadpoolctl

from parity.backends.diagnosis.catalogue import configs
from parity.backends.diagnosis.original import Original, open_original
from parity.backends.diagnosis.sample import whole
from parity.backends.diagnosis.station import Station
from parity.backends.executors.rounded import Recipe
from parity.backends.job import Job
from parity.measure.filter import LEAST, Coefficient, matched, pooled
from parity.measure.limits import Groups
from parity.tensorfile import Array


@dataclass(frozen=True)
class Direction:
    """How much of one suspected computation is in a runtime's errors."""

    sentence: str
    """What is suspected."""
    stations: Mapping[str, Coefficient]
    """By hidden layer; only those that it would move."""

    @property
    def total(self) -> Coefficient:
        """All layers as one measurement."""
        return pooled(tuple(self.stations.values()))


def directions(reference: Job, recipe: Recipe, *, candidate: Sequence[Path]) -> tuple[Direction, ...]:
    """Look for every config that the family suspects in a run of a lower precision.

    Args:
        reference: an oracle's job on the weights that the runtime ships; its taps may be any.
        recipe: where the runtime rounds.
        candidate: its trace, `batch-NNN.safetensors` with inputs.

    Returns:
        Suspects that would move any hidden layer which the trace shows, in the family's order.

    Raises:
        ParityError: checkpoint or config are unreadable or do not fit the job.
    """
    original = open_original(reference)
    found: dict[str, dict[str, Coefficient]] = {}
    try:
        # As in `diagnose`: threads would wait for each other longer than they compute.
        with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
            for tap in original.hidden:
                for sentence, coefficient in _at(original, tap, recipe, candidate):
                    found.setdefault(sentence, {})[tap] = coefficient
    finally:
        original.reference.close()
    return tuple(Direction(sentence, stations) for sentence, stations in found.items())


def _at(original: Original, tap: str, recipe: Recipe, candidate: Sequence[Path]) -> Iterator[tuple[str, Coefficient]]:
    """One layer's coefficients, by what is suspected."""
    pieces = whole(original, candidate, tap)
    if sum(int(piece.judged.sum()) for piece in pieces) < LEAST:
        return
    station = Station(original, tap, pieces, Groups.of(()))  # nothing here is judged by float32's rounding
    exact = station.values()
    error = _judged(station, [piece.seen for piece in pieces], exact)
    emulated = _judged(station, station.emulated(recipe), exact)
    for suspect in configs(original):
        direction = _judged(station, station.values(suspect), exact)
        if direction.any():
            yield suspect.sentence, matched(error, direction, emulated=emulated)


def _judged(station: Station, values: Sequence[Array], exact: Sequence[Array]) -> Array:
    """`values` less the exact ones at judged positions, float64 [tokens, C]."""
    parts = [
        value[piece.judged].astype(np.float64) - wanted[piece.judged]
        for piece, value, wanted in zip(station.pieces, values, exact, strict=True)
    ]
    return np.concatenate(parts)
