"""The scheduler's manners without processes: for debuggers and notebooks (`--in-process`).

Nothing is protected here: a crash takes the caller along, limits are not enforced, thread counts are the caller's.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from parity.backends.job import Job
from parity.backends.outcome import Outcome, judge
from parity.backends.phase import Phase
from parity.backends.worker import Clock, work

Progress = Callable[[Job, Phase], None]


class InProcess:
    """Runs each job in this process when its outcome is first asked for."""

    def __init__(self, *, progress: Progress | None = None) -> None:
        self._progress = progress
        self._outcomes: dict[Path, Outcome] = {}

    def submit(self, jobs: Iterable[Job]) -> None:
        """Nothing to prepare."""

    def result(self, job: Job) -> Outcome:
        """Run the job, unless it has run, and tell how it went."""
        if job.out not in self._outcomes:
            self._outcomes[job.out] = self._run(job)
        return self._outcomes[job.out]

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run the jobs in order."""
        return map(self.result, jobs)

    def close(self) -> None:
        """Nothing is left open."""

    def _run(self, job: Job) -> Outcome:
        phases: list[Phase] = []

        def announce(phase: Phase) -> None:
            phases.append(phase)
            if self._progress is not None:
                self._progress(job, phase)

        try:
            work(job, Clock(announce))
        except Exception:
            return Outcome(job, *judge(job, phases, 1), traceback.format_exc(), tuple(phases))
        return Outcome(job, *judge(job, phases, 0), "", tuple(phases))
