"""A list of hidden states that begins one too early or too late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.backends.diagnosis.original import Original
from parity.backends.diagnosis.sample import sample
from parity.backends.diagnosis.search import Search
from parity.backends.diagnosis.station import Station
from parity.errors import ParityError
from parity.measure.limits import Groups


@dataclass(frozen=True)
class Shift:
    """Every tap of the list holds its neighbour `by` places further."""

    by: int
    held: Mapping[str, str]
    """Under which name each tap is held."""
    before: float
    """Excess of the first guilty station as the list is held."""
    after: float
    """The largest of any station of the list that was moved back."""


def shifted(
    original: Original, paths: Sequence[Path], stations: Sequence[str], traced: Sequence[str], groups: Groups
) -> Shift | None:
    """The shift under which every guilty state of the list is sound, if most of them are guilty."""
    listed = original.hidden
    guilty = [tap for tap in stations if tap in listed]
    if len(guilty) < max(2, len(listed) - 2):
        return None
    for by in (1, -1):
        held = {tap: tap for tap in traced if tap not in listed}
        held |= {tap: listed[i - by] for i, tap in enumerate(listed) if 0 <= i - by < len(listed)}
        after = _worst(original, paths, [tap for tap in guilty if tap in held], held, groups)
        if after is not None:
            found = Search(Station(original, guilty[0], sample(original, paths, guilty[0]), groups))
            return Shift(by, held, found.before, after)
    return None


def _worst(
    original: Original, paths: Sequence[Path], taps: Sequence[str], held: Mapping[str, str], groups: Groups
) -> float | None:
    """Largest excess of these stations, None as soon as one fails."""
    worst = 0.0
    for tap in taps:
        try:
            pieces = sample(original, paths, tap, held=held)
        except ParityError:
            return None
        search = Search(Station(original, tap, pieces, groups))
        if search.judgement.status != "pass":
            return None
        worst = max(worst, search.before)
    return worst
