"""A backend is a process: `python -m parity.backends.worker JOB.json`.

It imports the runtime, waits for the word `go` on its standard input, loads the artifact, runs every batch, and
writes one trace file for each; with `--serve` the batches are not the job's but those whose paths it then reads, one a
line, until an empty line. Under the scheduler (`--phases FD`) it reports its phases on that descriptor; by hand
it starts at once and reports on standard error. Until the environment is set nothing is imported but the standard
library, because thread counts are read when a library loads.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.backends import runtime
from parity.backends.job import Job
from parity.backends.phase import Name, Phase, peak_rss
from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError

if TYPE_CHECKING:
    from parity.backends.protocol import Backend
    from parity.traces import TraceBatch

Announce = Callable[[Phase], None]
EXPLAIN = signal.SIGUSR1
"""Has a worker print where all its threads are, whatever they do."""


def environment(threads: int) -> dict[str, str]:
    """Environment variables of a worker: that many threads, on the processor, quiet, and never on the network."""
    counted = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
    return {
        **dict.fromkeys(counted, str(threads)),
        # Threads that spin at barriers starve whoever shares the cores, the next worker's import first of all.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "USE_TF": "0",
        "USE_FLAX": "0",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }


class Clock:
    """Times phases and announces each when it is over."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce

    @contextmanager
    def phase(self, name: Name) -> Iterator[dict[str, Any]]:
        """Time a block; what it puts into the dictionary becomes the phase's detail."""
        detail: dict[str, Any] = {}
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield detail
        except BaseException as error:
            first = str(error).strip().splitlines() or [""]
            text = str(error) if isinstance(error, ParityError) else f"{type(error).__name__}: {first[0]}"
            self._say("failed", wall, cpu, {"error": text, "kind": type(error).__name__})
            raise
        self._say(name, wall, cpu, detail)

    def _say(self, name: Name, wall: float, cpu: float, detail: Mapping[str, Any]) -> None:
        self._announce(Phase(name, time.perf_counter() - wall, time.process_time() - cpu, peak_rss(), detail))


def work(
    job: Job, clock: Clock, *, permit: Callable[[], None] = lambda: None, requests: Iterable[Path] | None = None
) -> None:
    """Do the job; `permit` returns when loading may begin, `requests` are batch files instead of the job's own.

    Raises:
        ParityError: the job does not fit, or the backend breaks its contract. The runtime's own errors pass through.
    """
    with clock.phase("imported"):
        module = importlib.import_module(job.module or runtime(job.name).module)
    permit()
    from parity.traces import batch_path, read_batch, write_batch

    for stale in job.out.glob("batch-*.safetensors"):
        stale.unlink()
    with clock.phase("loaded") as detail:
        backend: Backend = module.open(job)
        meta = {"describe": dict(backend.describe()), "unavailable": dict(backend.unavailable())}
        detail.update(meta)
    try:
        for number, path in enumerate(job.inputs if requests is None else requests):
            with clock.phase("batch") as detail:
                answer = answer_batch(job, backend, read_batch(path), meta)
                computed = time.perf_counter()
                write_batch(batch_path(job.out, number), answer)
                written = time.perf_counter() - computed
                detail.update(number=number, of=len(job.inputs), skipped=answer.skipped, write_s=written)
        with clock.phase("finished"):
            backend.close()
    finally:
        backend.close()


def answer_batch(job: Job, backend: Backend, batch: TraceBatch, described: Mapping[str, Any]) -> TraceBatch:
    """Run one batch and dress it as a trace.

    Raises:
        ParityError: the backend answered with other taps than it was asked for.
    """
    from parity.traces import GIVEN, INPUTS, TraceBatch, exists

    meta = {
        **{name: value for name, value in batch.meta.items() if name not in ("format", "skipped")},
        **job.meta,
        **described,
        "backend": job.backend,
        "variant": job.variant,
        "precision": job.precision,
        "family": job.family,
        "head": job.head,
        "settings": dict(job.settings),
        "threads": job.threads,
        "machine": f"{platform.platform()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
    }
    if batch.skipped is not None:
        return TraceBatch({}, batch.inputs, {**meta, "skipped": batch.skipped})
    given = {GIVEN + tap: array for tap, array in batch.taps.items()} if job.given else {}
    try:
        answer = backend.run({**batch.inputs, **given}, texts=batch.texts)
    except BatchSkipped as skip:
        return TraceBatch({}, batch.inputs, {**meta, "skipped": str(skip)})
    taps = {name: array for name, array in answer.items() if not name.startswith(INPUTS)}
    fed = {name.removeprefix(INPUTS): array for name, array in answer.items() if name.startswith(INPUTS)}
    owed = {tap for tap in job.taps if exists(tap, batch.inputs)} - set(described["unavailable"])
    if set(taps) != owed:
        lacking, surplus = sorted(owed - set(taps)), sorted(set(taps) - owed)
        raise ParityError(
            f"the backend answered with other taps than asked for: lacking {lacking}, surplus {surplus}",
            where=job.name,
            remedy="report this as a bug of the backend",
        )
    return TraceBatch(taps, {**batch.inputs, **fed}, meta)


class _Scheduler:
    """Standard input: the word `go`, then perhaps requests. When its other end closes, this process dies."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def await_go(self) -> None:
        if sys.stdin.readline().strip() != "go":
            _end_group()
        threading.Thread(target=self._listen, daemon=True).start()

    def requests(self) -> Iterator[Path]:
        yield from map(Path, iter(self._lines.get, ""))

    def _listen(self) -> None:
        for line in sys.stdin:
            self._lines.put(line.removesuffix("\n"))
        _end_group()


def _end_group() -> None:
    """The scheduler is gone: end this process and its children, which are a process group of their own."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main(arguments: list[str] | None = None) -> int:
    """Run one job file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m parity.backends.worker", description="Run one job.")
    parser.add_argument("job", type=Path, help="the job file (JSON)")
    parser.add_argument("--phases", type=int, metavar="FD", help="report phases here, and wait for `go` on stdin")
    parser.add_argument("--serve", action="store_true", help="then read paths of batches there; an empty line ends")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    faulthandler.register(EXPLAIN)
    scheduled = options.phases is not None
    channel = os.fdopen(options.phases, "w", buffering=1) if scheduled else sys.stderr

    def announce(phase: Phase) -> None:
        channel.write(phase.to_line())

    try:
        if scheduled:
            os.set_inheritable(options.phases, False)
        job = Job.read(options.job)
        os.environ.update(environment(job.threads))
        scheduler = _Scheduler()
        permit = scheduler.await_go if scheduled else lambda: None
        work(job, Clock(announce), permit=permit, requests=scheduler.requests() if options.serve else None)
    except ParityError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The answer is on disk; whatever a framework does while Python shuts down can no longer change it.
    os._exit(code)
