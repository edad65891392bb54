"""Where and why a runtime went wrong: the first guilty station, the operation inside it, and the likely cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from parity.backends import Runtime
from parity.backends.diagnosis import Diagnosis, diagnose
from parity.backends.executors.walk import inside, nearest
from parity.backends.ledger import PREFIX, TOTAL
from parity.backends.ledger import names as ledger_names
from parity.backends.outcome import Outcome
from parity.errors import ParityError
from parity.families import family
from parity.families.values import Tap
from parity.measure.ledger import Ledger, balance
from parity.measure.station import Station, guilty
from parity.runs.references import References
from parity.traces import batch_path, read_batch, real_positions

if TYPE_CHECKING:
    from parity.runs.model import ModelRun


@dataclass(frozen=True)
class Inquiry:
    """What an investigation found."""

    guilty: tuple[str, ...]
    """The stations that add more than rounding of their own, in the order data flows."""
    operation: Station | None
    """The first value inside the first of them whose own error is beyond its limit; None where none could be shown."""
    looked: str
    """Why no operation is named, or nothing."""
    diagnosis: Diagnosis
    ledger: Ledger | None
    """Of the batch that deviates most; None where the last layer is not among the stations."""

    @property
    def sentence(self) -> str:
        """Place and cause in words."""
        told = [f"the first station that is wrong by itself is {self.guilty[0]}"]
        if self.operation is not None:
            own = self.operation.own
            told.append(f"and inside it {self.operation.tap} ({own.message if own else ''})")
        elif self.looked:
            told.append(f"({self.looked})")
        where = " ".join(told)
        return f"{where}. {self.diagnosis.sentence}"

    @property
    def shares(self) -> str:
        """The ledger in words: which stations make up the error behind the last layer."""
        if self.ledger is None:
            return ""
        largest = sorted(self.ledger.shares.items(), key=lambda entry: -abs(entry[1]))[:3]
        told = ", ".join(f"{tap} {share:.1%}" for tap, share in largest)
        return f"shares of the error behind the last layer: {told} (they add up to it within {self.ledger.gap:.0e})"


def investigate(model: ModelRun, row: Runtime, outcome: Outcome, stations: Sequence[Station]) -> Inquiry | None:
    """Investigate a runtime whose traces still lie on disk; None if no station is guilty of anything."""
    found = guilty(stations)
    if not found:
        return None
    operation, looked = _operation(model, row, found[0])
    worst = next(station.measure.worst for station in stations if station.tap == found[0])
    ledger = _ledger(model, row, outcome, worst.batch) if worst else None
    return Inquiry(found, operation, looked, _diagnosis(model, outcome, found), ledger)


def _ledger(model: ModelRun, row: Runtime, outcome: Outcome, batch: str) -> Ledger | None:
    """One batch's: two walks to the end from every layer."""
    hidden = [tap.name for tap in model.outline.taps if tap.station == "hidden"]
    if hidden != [tap.name for tap in _hidden(model)] or set(hidden) & set(outcome.unavailable):
        return None
    place = [one.name for one in model.batches].index(batch)
    job = model.make_job(
        "ledger",
        module="parity.backends.ledger",
        precision="float64",
        taps=ledger_names(hidden),
        out=model.scratch / "inquiry" / f"{row.name.replace(':', '-')}-ledger",
        inputs=[batch_path(outcome.traces, place)],
        given=True,
    )
    found = model.wait([job])
    if not found.ok:
        raise ParityError(f"the ledger failed: {found.reason}", remedy=found.stderr_tail)
    trace = read_batch(batch_path(found.traces, 0))
    return balance({tap: trace.taps[PREFIX + tap] for tap in hidden}, trace.taps[TOTAL], real_positions(trace.inputs))


def _hidden(model: ModelRun) -> Sequence[Tap]:
    outline = model.outline
    stations = family(outline.family).taps(outline.config, outline.head)
    return [tap for tap in stations if tap.station == "hidden"]


def _diagnosis(model: ModelRun, outcome: Outcome, found: Sequence[str]) -> Diagnosis:
    references = model.references
    traces = [batch_path(outcome.traces, place) for place in range(len(outcome.job.inputs))]
    reference = replace(references.oracle.job, taps=references.taps)
    return diagnose(reference, candidate=traces, stations=found, groups=references.yardstick.groups("own"))


def _operation(model: ModelRun, row: Runtime, tap: str) -> tuple[Station | None, str]:
    """Look into one station on the smaller batches, as finely as the runtime shows."""
    outline = model.outline
    architecture = family(outline.family)
    stages = architecture.stages(outline.config, outline.head)
    coarse = {one.name: one for one in outline.taps}
    within = inside(stages, tap, coarse)
    finer = [
        one
        for one in architecture.fine_taps(outline.config, outline.head)
        if one.name in within and one.name not in coarse and _has_channels(one)
    ]
    if not finer:
        return None, ""
    before = [coarse[name] for name in coarse if name in nearest(stages, tap, coarse)]
    references = References(
        model,
        scratch=model.scratch / "inquiry" / row.name.replace(":", "-"),
        stations=(*before, *finer, coarse[tap]),
        numbers=[model.input_files.index(path) for path in model.shipped_files],
        trial=False,
    )
    try:
        outcome = references.outcome(row)
        if not outcome.ok:
            return None, f"its operations could not be looked at: {outcome.reason}"
        judged = references.judge(outcome, precision="float32")
    except ParityError as error:
        return None, f"its operations could not be looked at: {error}"
    broken = next((station for station in judged.values() if station.guilty and station.tap not in coarse), None)
    if broken is not None:
        return broken, ""
    shown = [one.name for one in finer if one.name in judged]
    return None, "none of the values inside it is wrong by itself on the smaller batches" if shown else ""


def _has_channels(tap: Tap) -> bool:
    """Values whose last axis is the same set of channels in every batch; attention's is not."""
    return tap.axes in ("BTC", "BQC", "BC")
