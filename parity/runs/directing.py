"""Verdicts on hidden layers in a lower precision, completed by what an rms cannot see there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from parity.backends.diagnosis.directions import Direction, directions
from parity.backends.job import Job
from parity.backends.outcome import Outcome
from parity.backends.recipes import recipe
from parity.measure.filter import Coefficient
from parity.measure.verdict import Verdict
from parity.traces import batch_path


def directed(
    verdicts: Mapping[str, Verdict], outcome: Outcome, *, reference: Job, recipe_name: str, hidden: Sequence[str]
) -> dict[str, Verdict]:
    """The verdicts of a run whose precision was emulated, red where a suspected computation is in its error.

    Args:
        verdicts: by tap.
        outcome: of the run; its traces still lie on disk.
        reference: the oracle's job on the weights that the run's artifact ships.
        recipe_name: where the run rounds.
        hidden: the hidden layers among the taps, in the order data flows.
    """
    judged = [tap for tap in hidden if tap in verdicts and verdicts[tap].status != "skip"]
    if not judged:
        return dict(verdicts)
    traces = [batch_path(outcome.traces, place) for place in range(len(outcome.job.inputs))]
    try:
        found = directions(reference, recipe(recipe_name), candidate=traces)
    except Exception as error:  # the verdicts stand, whatever becomes of the filter
        told = f"not looked for what an rms cannot see: {type(error).__name__}: {error}"
        return {**verdicts, judged[-1]: _told(verdicts[judged[-1]], told)}
    changed = {tap: _red(verdicts[tap], cause) for tap in judged if (cause := _cause(found, tap))}
    if not changed and found:
        changed[judged[-1]] = _told(verdicts[judged[-1]], _summary(found))
    return {**verdicts, **changed}


def _cause(found: Sequence[Direction], tap: str) -> str:
    """What is in the error of one layer: as the layer itself tells where it can, else as all of them do."""
    sure: list[tuple[str, Coefficient]] = []
    for direction in found:
        own = direction.stations.get(tap)
        deciding = own if own is None or own.identifiable else direction.total
        if deciding is not None and deciding.found:
            sure.append((direction.sentence, deciding))
    if not sure:
        return ""
    # Suspects resemble each other; the one that is there is there as a whole.
    sentence, coefficient = min(sure, key=lambda pair: abs(pair[1].value - 1))
    return f"{sentence}: {coefficient} of that difference is in the error"


def _summary(found: Sequence[Direction]) -> str:
    """What was looked for in vain, and what cannot be told."""
    totals = {direction.sentence: direction.total for direction in found}
    known = {sentence: total for sentence, total in totals.items() if total.identifiable}
    told = [f"whether {sentence} is {total}" for sentence, total in totals.items() if sentence not in known]
    if known:
        most = max(known, key=lambda sentence: abs(known[sentence].value))
        told.insert(
            0, f"of {len(known)} suspected computations none is in the error (most: {most}, {known[most]} of it)"
        )
    return "; ".join(told)


def _red(verdict: Verdict, cause: str) -> Verdict:
    return replace(_told(verdict, cause), status="fail")


def _told(verdict: Verdict, more: str) -> Verdict:
    return replace(verdict, message=f"{verdict.message}; {more}")
