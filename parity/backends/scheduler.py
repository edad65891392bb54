"""Runs jobs in worker processes, one forward pass at a time.

Only one worker loads and runs; while it does, the next one may already import its framework. Whatever a worker does
(crash, hang, fill the memory, print without end) becomes an `Outcome`, and the next job starts.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from parity.backends import RUNTIMES, status
from parity.backends.job import Job
from parity.backends.memory import IMPORTED, available_memory, expected_memory, group_rss
from parity.backends.outcome import Outcome, Status, doing, judge
from parity.backends.phase import Phase
from parity.backends.process import WorkerProcess, worker_environment
from parity.errors import ParityError

Progress = Callable[[Job, Phase], None]
_POLL_S = 0.05
_MEMORY_S = 0.25
"""How often memory is looked at: it means reading the table of all processes."""


class Scheduler:
    """Jobs in, outcomes out; nothing runs before its outcome is asked for, but for one import ahead.

    Args:
        python: interpreters by backend (`torch`) or full name (`torch:eager`); this one for all others.
        memory_budget: bytes all workers together are expected to stay within; by default what is available. It
            decides about importing ahead; a job's own `memory_limit` is enforced.
        workers: how many may be alive at once; 1 = never import ahead.
        progress: called with every phase that a worker has finished.
    """

    def __init__(
        self,
        *,
        python: Mapping[str, Path] | None = None,
        memory_budget: int | None = None,
        workers: int = 2,
        progress: Progress | None = None,
    ) -> None:
        self._python = dict(python or {})
        self._budget = available_memory() if memory_budget is None else memory_budget
        self._workers, self._progress = workers, progress
        self._jobs: dict[Path, Job] = {}
        self._alive: dict[Path, WorkerProcess] = {}
        self._outcomes: dict[Path, Outcome] = {}
        self._bridge = Path(tempfile.mkdtemp(prefix="parity-", dir=os.environ.get("PARITY_SCRATCH")))
        self._closed = False
        atexit.register(self.close)

    def submit(self, jobs: Iterable[Job]) -> None:
        """Queue jobs; none starts yet.

        Raises:
            ParityError: two jobs answer into one folder.
        """
        for job in jobs:
            if self._jobs.setdefault(job.out, job) != job:
                raise ParityError("two jobs answer into this folder", where=job.out, remedy="give each its own")

    def result(self, job: Job) -> Outcome:
        """Run the job, unless it has run, and tell how it went.

        Raises:
            ParityError: the job was not submitted, or the scheduler is closed.
        """
        if job.out not in self._jobs:
            raise ParityError("this job was not submitted", where=job.out, remedy="submit it first")
        if job.out not in self._outcomes:
            if self._closed:
                raise ParityError("the scheduler is closed", where=job.out, remedy="ask before closing it")
            try:
                self._outcomes[job.out] = self._absent(job) or self._run(job)
            except BaseException:
                self.close()
                raise
        return self._outcomes[job.out]

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Submit the jobs and run them in order."""
        submitted = list(jobs)
        self.submit(submitted)
        for job in submitted:
            yield self.result(job)

    def close(self) -> None:
        """Kill every worker and forget the jobs that have not run; a second call does nothing."""
        self._closed = True
        atexit.unregister(self.close)
        while self._alive:
            self._alive.popitem()[1].end()
        shutil.rmtree(self._bridge, ignore_errors=True)

    def __enter__(self) -> Scheduler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _interpreter(self, job: Job) -> Path:
        return self._python.get(job.name) or self._python.get(job.backend) or Path(sys.executable)

    def _absent(self, job: Job) -> Outcome | None:
        """The outcome of a job whose runtime is not installed; a foreign interpreter has to be tried."""
        row = RUNTIMES.get(job.name)
        if job.module or row is None or self._interpreter(job) != Path(sys.executable):
            return None
        found = status(row)
        return Outcome(job, "missing", found.reason) if found.state == "missing" else None

    def _start(self, job: Job) -> WorkerProcess:
        python = self._interpreter(job)
        worker = WorkerProcess(job, python=python, environment=worker_environment(self._bridge, python))
        self._alive[job.out] = worker
        return worker

    def _import_ahead(self, current: Job) -> None:
        """Start the import of the next job, if there is room for it beside the current one."""
        if len(self._alive) >= self._workers or expected_memory(current) + IMPORTED > self._budget:
            return
        done = {*self._outcomes, *self._alive}
        waiting = (job for out, job in self._jobs.items() if out not in done and self._absent(job) is None)
        for job in waiting:
            with contextlib.suppress(OSError):  # no such interpreter: told when its turn comes
                self._start(job)
            return

    def _run(self, job: Job) -> Outcome:
        try:
            worker = self._alive.get(job.out) or self._start(job)
        except OSError as error:
            return Outcome(job, "missing", f"cannot start {self._interpreter(job)}: {error.strerror}")
        try:
            watch = Watch(worker)
            fault = None
            while fault is None:
                gone = worker.exited()
                phase = worker.next_phase(0.0 if gone else _POLL_S)
                if phase is not None:
                    self._advance(worker, watch, phase)
                elif gone:
                    break
                else:
                    fault = watch.fault()
            code = worker.end()
            while (phase := worker.next_phase(0.0)) is not None:
                self._advance(worker, watch, phase)  # its last words, if it went faster than they were read
            ended, reason = fault or judge(job, worker.phases, code)
            return Outcome(job, ended, reason, worker.tail(), tuple(worker.phases), watch.peak)
        finally:
            worker.end()
            self._alive.pop(job.out, None)

    def _advance(self, worker: WorkerProcess, watch: Watch, phase: Phase) -> None:
        if phase.name == "imported":
            worker.go()
            self._import_ahead(worker.job)
        watch.restart(worker.job.batch_timeout_s if phase.name in ("loaded", "batch") else worker.job.start_timeout_s)
        if self._progress is not None:
            self._progress(worker.job, phase)


class Watch:
    """Time and memory of the worker whose turn it is."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker, self.peak, self._looked = worker, 0, 0.0
        self._limit_s, self._since = worker.job.start_timeout_s, worker.started

    def restart(self, limit_s: float) -> None:
        """A phase is over: the next one has that long."""
        self._limit_s, self._since = limit_s, time.monotonic()

    def fault(self) -> tuple[Status, str] | None:
        """Which limit it has passed, if any."""
        now, job = time.monotonic(), self._worker.job
        if now - self._looked > _MEMORY_S:
            rss, self._looked = group_rss(self._worker.pid), now
            self.peak = max(self.peak, rss)
            if 0 < job.memory_limit < rss:
                used, limit = (f"{size / 2**30:.2f} GiB" for size in (rss, job.memory_limit))
                return "memory", f"held {used} {self._busy()}; its limit is {limit}"
        if now - self._since > self._limit_s:
            self._worker.explain()
            return "timeout", f"gave no sign for {self._limit_s:g} s {self._busy()}"
        return None

    def _busy(self) -> str:
        return doing(self._worker.job, self._worker.phases)
