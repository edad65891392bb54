"""Where the time of a model's run goes: every stage as an event, and what this process has accounted for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from parity.backends.outcome import Outcome
from parity.events import EventLog

_STAGES = {"imported": "import", "loaded": "load", "batch": "forward"}


class Timekeeper:
    """Writes `time` events of one model. `accounted_s`: wall seconds of this process that some stage claims."""

    def __init__(self, log: EventLog, model: str) -> None:
        self._log, self._model = log, model
        self.accounted_s = 0.0

    @contextmanager
    def stage(self, name: str, backend: str | None = None, *, own: bool = False) -> Iterator[None]:
        """Time a block; `own` marks the harness's own work."""
        wall, cpu, already = time.perf_counter(), time.process_time(), self.accounted_s
        yield
        # What stages inside this block have accounted for is theirs.
        spent = time.perf_counter() - wall - (self.accounted_s - already)
        self.accounted_s += spent
        self.note(name, backend, wall_s=spent, cpu_s=time.process_time() - cpu, own=own)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Account for a block whose time other processes tell."""
        began = time.perf_counter()
        yield
        self.accounted_s += time.perf_counter() - began

    def worker(self, backend: str, outcome: Outcome) -> None:
        """Write down what a worker told of its phases."""
        for name, stage in _STAGES.items():
            phases = [phase for phase in outcome.phases if phase.name == name]
            if phases:
                wall = sum(phase.wall_s for phase in phases) - (outcome.write_s if name == "batch" else 0.0)
                cpu = sum(phase.cpu_s for phase in phases)
                self.note(stage, backend, wall_s=wall, cpu_s=cpu, peak_rss=outcome.peak_rss)
        if outcome.of("batch"):
            self.note("trace", backend, wall_s=outcome.write_s, cpu_s=None, own=True)

    def note(
        self,
        stage: str,
        backend: str | None,
        *,
        wall_s: float,
        cpu_s: float | None,
        peak_rss: int | None = None,
        own: bool = False,
    ) -> None:
        """Write one `time` event: seconds, and bytes."""
        spent = {"wall_s": wall_s, "cpu_s": cpu_s, "peak_rss": peak_rss}
        self._log.write("time", stage=stage, model=self._model, backend=backend, own=own, **spent)
