"""Why a runtime deviates, in words: what may be wrong is run, and named only if it explains the error to rounding.

A hypothesis is another evaluation of the reference's guilty stage on what the runtime itself fed it: with other
tensors, config numbers or inputs. It is a cause if the station's own error then lies within the limit of the
hypothesis's own floor (numerics.md, "Diagnosis"); several that do are all named, none is "unknown".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import threadpoolctl

from parity.backends.diagnosis.hypothesis import Hypothesis
from parity.backends.diagnosis.original import Original, open_original
from parity.backends.diagnosis.result import Cause, Diagnosis
from parity.backends.diagnosis.sample import sample
from parity.backends.diagnosis.search import Found, Search
from parity.backends.diagnosis.shifted import Shift, shifted
from parity.backends.diagnosis.station import Station
from parity.backends.diagnosis.told import causes, smallest
from parity.backends.job import Job
from parity.measure.limits import Groups
from parity.traces import read_batch

__all__ = ["Cause", "Diagnosis", "diagnose"]
SEARCHED = 3
"""Stations that are searched in vain before others are only asked whether they have what explains another."""


def diagnose(reference: Job, *, candidate: Sequence[Path], stations: Sequence[str], groups: Groups) -> Diagnosis:
    """Say why a runtime's own error at these stations is beyond its limit.

    Args:
        reference: an oracle's job: family, head, `source` (checkpoint, config, activation); its taps may be any.
        candidate: the runtime's trace, `batch-NNN.safetensors` with its inputs.
        stations: the guilty taps in the order data flows; fine taps narrow what is tried to what they read.
        groups: how many groups of each kind the run judges.

    Returns:
        The causes. A station that the sample finds to be within its limit is passed over.

    Raises:
        ParityError: checkpoint or config are unreadable or do not fit the job, or the trace does not show a station.
    """
    original = open_original(reference)
    try:
        # Hundreds of small products: threads would wait for each other longer than they compute.
        with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
            return _diagnose(original, candidate, stations, groups)
    finally:
        original.reference.close()


def _diagnose(original: Original, paths: Sequence[Path], stations: Sequence[str], groups: Groups) -> Diagnosis:
    traced = list(dict.fromkeys(tap for path in paths for tap in read_batch(path).taps))
    shift = shifted(original, paths, stations, traced, groups)
    found: dict[str, list[Found]] = {}
    unknown: dict[str, str] = {}
    passed_over = list[str]()
    earlier: list[Hypothesis] = []
    tried, guilty, before = 0, list[str](), 0.0
    for tap in stations:
        if shift is not None and tap in original.hidden:
            guilty.append(tap)
            continue
        station = Station(
            original, tap, sample(original, paths, tap, held=None if shift is None else shift.held), groups
        )
        search = Search(station)
        if not search.guilty:
            continue
        guilty.append(tap)
        whole = len(unknown) < SEARCHED
        explained = search.run(earlier, whole=whole)
        tried += search.tried
        before = max(before, search.before)
        if explained:
            found[tap] = explained
            earlier += [one.hypothesis for one in explained if one.hypothesis not in earlier]
        elif whole:
            unknown[tap] = smallest(station)
        else:
            passed_over.append(tap)
    listed = [[_of_shift(shift, original)]] if shift is not None else []
    told = [*listed, *causes(found, layers=original.config.layers)]
    first = next(iter(guilty), None)
    return Diagnosis(
        causes=tuple(cause for alternatives in told for cause in alternatives),
        station=first,
        group=next(iter(unknown.values()), None),
        unexplained=(*unknown, *passed_over),
        passed_over=tuple(passed_over),
        tried=tried,
        sentence=_sentence(told, unknown, passed_over, tried),
    )


def _of_shift(shift: Shift, original: Original) -> Cause:
    taps = original.hidden
    told = f"the list of hidden states is shifted: every tap holds the one {'after' if shift.by > 0 else 'before'} it"
    return Cause("list-shifted", taps, told, before=shift.before, after=shift.after, stations=taps)


def _sentence(told: Sequence[Sequence[Cause]], unknown: dict[str, str], passed_over: Sequence[str], tried: int) -> str:
    parts = ["either " * (len(group) > 1) + " or ".join(cause.sentence for cause in group) for group in told]
    found = f"cause: {'; and '.join(parts)}" if parts else ""
    if not unknown:
        return found or "nothing to explain: in the rows looked at, no station's own error is beyond its limit"
    places = "; ".join(f"{tap} ({group})" for tap, group in unknown.items())
    more = f"; {len(passed_over)} more guilty stations were not searched by themselves" if passed_over else ""
    return f"{found}{'; ' if found else ''}cause unknown at {places}: none of {tried} hypotheses explains it{more}"
