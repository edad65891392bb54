"""A runtime that answers batch after batch, for whoever decides about the next batch by the last answer.

The scheduler's isolation holds: a process of its own, the job's limits of time and memory, and whatever becomes of it
is an `Outcome`, here inside a `Lost`.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from parity.backends import RUNTIMES, runtime, status
from parity.backends.job import Job
from parity.backends.outcome import Outcome, judge
from parity.backends.phase import Name, Phase
from parity.backends.process import WorkerProcess, worker_environment
from parity.backends.protocol import Backend
from parity.backends.scheduler import Watch
from parity.backends.worker import answer_batch
from parity.errors import ParityError
from parity.traces import TraceBatch, batch_path, read_batch, write_batch

_POLL_S = 0.05
_ENDING_S = 5.0


class Lost(ParityError):
    """A live runtime that is not there (any more); `outcome` says what became of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.status}: {outcome.reason}", where=outcome.job.name)
        self.outcome = outcome


class Live:
    """One artifact, loaded, and fed what is given next. Its process starts importing at once.

    Args:
        job: its `inputs` are not used; `out` is its scratch folder.
        python: the interpreter; this one unless said.
        in_process: no process and no protection, to debug.
    """

    def __init__(self, job: Job, *, python: Path | None = None, in_process: bool = False) -> None:
        self.job = job
        self._seat: _Seat = _Here(job) if in_process else _Process(job, python or Path(sys.executable))

    @property
    def describe(self) -> Mapping[str, str]:
        """What the runtime says of itself; loads it.

        Raises:
            Lost: it cannot be loaded.
        """
        found: Mapping[str, str] = self._seat.load()["describe"]
        return found

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Taps it cannot show, with the reason; loads it.

        Raises:
            Lost: it cannot be loaded.
        """
        found: Mapping[str, str] = self._seat.load()["unavailable"]
        return found

    def run(self, batch: TraceBatch) -> TraceBatch:
        """The answer to one batch.

        Args:
            batch: arrays under `inputs`, texts in its metadata; for a job with `given`, another runtime's trace.

        Raises:
            Lost: the runtime crashed, hung, outgrew its memory, or had done so before.
        """
        return self._seat.run(batch)

    def close(self) -> None:
        """End the runtime; a second call does nothing."""
        self._seat.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Seat(Protocol):
    """Where a live runtime sits."""

    def load(self) -> Mapping[str, Any]: ...

    def run(self, batch: TraceBatch) -> TraceBatch: ...

    def close(self) -> None: ...


class _Process:
    """In a worker process that serves."""

    def __init__(self, job: Job, python: Path) -> None:
        self._job, self._count = job, 0
        self._loaded: Mapping[str, Any] | None = None
        self._lost: Lost | None = None
        self._worker: WorkerProcess | None = None
        self._bridge = Path(tempfile.mkdtemp(prefix="parity-", dir=os.environ.get("PARITY_SCRATCH")))
        row = RUNTIMES.get(job.name)
        here = python == Path(sys.executable)
        if row is not None and not job.module and here and (found := status(row)).state == "missing":
            self._lost = Lost(Outcome(job, "missing", found.reason))
            return
        try:
            self._worker = WorkerProcess(
                job, python=python, environment=worker_environment(self._bridge, python), serve=True
            )
        except OSError as error:
            self._lost = Lost(Outcome(job, "missing", f"cannot start {python}: {error.strerror}"))
            return
        self._watch = Watch(self._worker)

    def load(self) -> Mapping[str, Any]:
        if self._loaded is None:
            worker = self._alive()
            self._await("imported")
            worker.go()
            self._watch.restart(self._job.start_timeout_s)
            self._loaded = self._await("loaded").detail
        return self._loaded

    def run(self, batch: TraceBatch) -> TraceBatch:
        self.load()
        worker, asked = self._alive(), self._job.out / "asked.safetensors"
        write_batch(asked, batch)
        self._watch.restart(self._job.batch_timeout_s)
        worker.say(str(asked))
        self._await("batch")
        answered = batch_path(self._job.out, self._count)
        self._count += 1
        answer = read_batch(answered)
        answered.unlink()  # what is mapped stays readable
        if fault := self._watch.fault():
            raise self._end(fault)
        return answer

    def close(self) -> None:
        if self._worker is not None and self._lost is None:
            self._worker.say("")
            self._watch.restart(_ENDING_S)
            while not self._worker.exited() and self._watch.fault() is None:
                self._worker.next_phase(_POLL_S)
            self._worker.end()
            self._lost = Lost(Outcome(self._job, "missing", "it was closed"))
        shutil.rmtree(self._bridge, ignore_errors=True)

    def _alive(self) -> WorkerProcess:
        if self._lost is not None or self._worker is None:
            assert self._lost is not None
            raise self._lost
        return self._worker

    def _await(self, name: Name) -> Phase:
        worker = self._alive()
        while True:
            gone = worker.exited()
            phase = worker.next_phase(0.0 if gone else _POLL_S)
            if phase is not None and phase.name == name:
                return phase
            fault = None if phase is not None or gone else self._watch.fault()
            if fault is not None or (gone and phase is None):
                raise self._end(fault)

    def _end(self, fault: tuple[Any, str] | None) -> Lost:
        """It is over: by itself, or because a limit was passed."""
        worker = self._alive()
        code = worker.end()
        while worker.next_phase(0.0) is not None:
            pass  # its last words
        ended, reason = fault or judge(self._job, worker.phases, code)
        if ended == "ok":
            ended, reason = "crashed", f"ended with exit code {code} although it was to go on"
        self._lost = Lost(Outcome(self._job, ended, reason, worker.tail(), tuple(worker.phases), self._watch.peak))
        return self._lost


class _Here:
    """In this process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._backend: Backend | None = None
        self._loaded: Mapping[str, Any] = {}

    def load(self) -> Mapping[str, Any]:
        if self._backend is None:
            try:
                module = importlib.import_module(self._job.module or runtime(self._job.name).module)
                opened: Backend = module.open(self._job)
            except Exception as error:
                absent = isinstance(error, ModuleNotFoundError)
                raise self._lost(error, "missing" if absent else "crashed") from error
            self._backend = opened
            self._loaded = {"describe": dict(opened.describe()), "unavailable": dict(opened.unavailable())}
        return self._loaded

    def run(self, batch: TraceBatch) -> TraceBatch:
        described = self.load()
        assert self._backend is not None
        try:
            answer = answer_batch(self._job, self._backend, _guarded(batch), described)
        except Exception as error:
            raise self._lost(error, "crashed") from error
        # A runtime may hand out memory that it fills again with the next batch.
        return TraceBatch({tap: np.array(array) for tap, array in answer.taps.items()}, answer.inputs, answer.meta)

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()

    def _lost(self, error: Exception, ended: Any) -> Lost:
        text = str(error) if isinstance(error, ParityError) else f"{type(error).__name__}: {error}"
        return Lost(Outcome(self._job, ended, text, traceback.format_exc()))


def _guarded(batch: TraceBatch) -> TraceBatch:
    """The batch as a worker reads it: nobody may write on its arrays."""
    taps, inputs = ({name: array.view() for name, array in part.items()} for part in (batch.taps, batch.inputs))
    for view in (*taps.values(), *inputs.values()):
        view.flags.writeable = False
    return TraceBatch(taps, inputs, batch.meta)
