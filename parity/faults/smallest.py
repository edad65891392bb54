"""The size at which a fault disappears: W + t (W_fault - W) for t = 1, 1/2, 1/4, ..., run for real."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.backends.executors.walk import nearest
from parity.families import family
from parity.faults.finding import Seen, Smallest
from parity.faults.folders import spoil_artifact
from parity.faults.trial import Trials
from parity.faults.values import Artifact, Fault
from parity.traces import TraceBatch, batch_path, read_batch

_MOST = 40
"""No float32 weight is changed by less than 2^-40 of a change of its own size."""


def smallest(trials: Trials, fault: Fault, seen: Seen) -> Smallest | None:
    """Halve a fault that was seen until it is no more; None for one that has no size.

    It is looked for at its own tap alone, by both judgements: the limits there are those of the whole run.
    """
    if not fault.scales or seen.verdict != "tap" or seen.excess is None:
        return None
    look = _Look(trials, fault, seen.first)
    # Errors grow with the size: the excess at full size tells where to begin.
    guess = math.log2(seen.excess) if 1 <= seen.excess < math.inf else 0.0
    power = min(max(math.floor(guess), 0), _MOST)
    if look.visible(power):
        while power < _MOST and look.visible(power + 1):
            power += 1
    else:
        while power > 0 and not look.visible(power):
            power -= 1
    return Smallest(2.0**-power, look.changes[power])


class _Look:
    """One fault at one tap, at any size."""

    def __init__(self, trials: Trials, fault: Fault, tap: str) -> None:
        self._trials, self._fault, self._tap = trials, fault, tap
        outline = trials.bench.outline
        stages = family(outline.family).stages(outline.config, outline.head)
        taps = [one.name for one in outline.taps]
        shown = {*nearest(stages, tap, taps), tap}
        self._taps = tuple(name for name in taps if name in shown)
        self.changes: dict[int, float] = {}
        self._seen: dict[int, bool] = {}

    def visible(self, power: int) -> bool:
        """Is the tap red at size 2^-power?"""
        if power not in self._seen:
            with tempfile.TemporaryDirectory(dir=self._trials.bench.folder, prefix="fault-") as name:
                self._seen[power] = self._red(Path(name), power)
        return self._seen[power]

    def _red(self, folder: Path, power: int) -> bool:
        trials, bench = self._trials, self._trials.bench
        assert isinstance(self._fault.inject, Artifact)
        self.changes[power] = spoil_artifact(
            trials.pytorch, folder / "artifact", self._fault.inject, trials.layout, size=2.0**-power
        )
        outcome = bench.run(trials.job(folder, artifact=folder / "artifact", taps=self._taps))
        assert outcome.ok, outcome.reason
        traces = tuple(batch_path(outcome.traces, place) for place in range(len(bench.batches)))
        steps = bench.run(
            replace(bench.reference_job, taps=(self._tap,), inputs=traces, given=True, out=trials.out(folder))
        )
        assert steps.ok, steps.reason
        found = bench.yardstick.judge(
            partial(_read, outcome.traces), given=partial(_read, steps.traces), own=(self._tap,), taps=(self._tap,)
        )
        return found[self._tap].status != "pass"


def _read(traces: Path, number: int) -> TraceBatch:
    return read_batch(batch_path(traces, number))
