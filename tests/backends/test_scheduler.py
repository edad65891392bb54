"""Workers that misbehave in every way; each becomes one outcome, and the next job runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.backends import RUNTIMES, Runtime
from parity.backends.job import Job
from parity.backends.memory import available_memory, expected_memory, group_rss
from parity.backends.scheduler import Scheduler
from parity.errors import ParityError
from parity.traces import batch_paths


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def settled(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def gone_soon(pid: int) -> bool:
    return settled(lambda: not alive(pid))


def test_whatever_a_worker_does_is_one_outcome_and_the_run_goes_on(fake_job) -> None:
    jobs = [
        fake_job(name="abort", do="abort", at="2"),
        fake_job(name="exit", load="exit_quietly"),
        fake_job(name="absent", module="absent"),
        fake_job(name="broken", module="broken"),
        fake_job(name="no_room", do="run_out"),
        fake_job(name="chatter", do="chatter"),
        fake_job(name="raise", do="raise_it"),
        fake_job(name="well"),
    ]
    held: list[int] = []
    watch = lambda job, phase: held.append(len(scheduler._alive[job.out]._output))  # noqa: E731
    with Scheduler(progress=watch) as scheduler:
        outcomes = {outcome.job.out.name: outcome for outcome in scheduler.run(jobs)}
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "abort": "crashed", "exit": "crashed", "absent": "missing", "broken": "crashed",
        "no_room": "memory", "chatter": "ok", "raise": "crashed", "well": "ok",
    }  # fmt: skip
    assert outcomes["abort"].reason == "ended by SIGABRT on batch 2 of 2"
    assert "well.py" in outcomes["abort"].stderr_tail  # where it was, by faulthandler
    assert outcomes["abort"].batches == 1
    assert outcomes["exit"].reason == "ended with exit code 7 loading the artifact"
    assert "a_framework_that_nobody_has" in outcomes["absent"].reason
    assert "libfoo.so.1" in outcomes["broken"].reason
    assert "importing the runtime" in outcomes["broken"].reason
    assert outcomes["no_room"].reason == "MemoryError: no room (on batch 1 of 2)"
    assert outcomes["raise"].reason == "ValueError: the middle is (on batch 1 of 2)"
    assert "Traceback" in outcomes["raise"].stderr_tail

    tail = outcomes["chatter"].stderr_tail.splitlines()
    assert len(tail) == 40
    assert tail[-1] == "line 99999 of many"
    assert 10_000 < max(held) <= 128 * 1024, "megabytes of output must not be kept"

    well = outcomes["well"]
    assert (well.reason, well.batches, well.describe["version"]) == ("", 2, "1")
    assert len(batch_paths(well.traces)) == 2
    assert well.import_s > 0
    assert well.peak_rss > 1 << 20
    assert well.cpu_s > 0
    assert 0 <= well.forward_s < 5


def test_a_hang_is_ended_at_its_limit_and_shows_where_it_hung(fake_job, tmp_path: Path) -> None:
    jobs = [
        fake_job(name="run", do="spawn_and_hang", pid_file=str(tmp_path / "pid"), batch_timeout_s=0.6),
        fake_job(name="load", load="hang", start_timeout_s=1.0),
        fake_job(name="import", module="slow_import", start_timeout_s=1.0),
        fake_job(name="well"),
    ]
    started = time.monotonic()
    with Scheduler() as scheduler:
        run, load, imported, well = scheduler.run(jobs)
    assert time.monotonic() - started < 15
    assert [outcome.status for outcome in (run, load, imported, well)] == ["timeout", "timeout", "timeout", "ok"]
    assert run.reason == "gave no sign for 0.6 s on batch 1 of 2"
    assert "spawn_and_hang" in run.stderr_tail
    assert gone_soon(int((tmp_path / "pid").read_text())), "what a worker started must end with it"
    assert load.reason == "gave no sign for 1 s loading the artifact"
    assert imported.reason == "gave no sign for 1 s importing the runtime"
    assert "slow_import.py" in imported.stderr_tail


def test_memory_is_limited(fake_job) -> None:
    with Scheduler() as scheduler:
        fat, well = scheduler.run([fake_job(name="fat", do="eat", memory_limit=400 << 20), fake_job(name="well")])
    assert fat.status == "memory"
    assert fat.reason.endswith("on batch 1 of 2; its limit is 0.39 GiB")
    assert 400 << 20 < fat.peak_rss < 4 << 30
    assert well.ok


def test_nothing_runs_before_it_is_asked_for_and_only_once(fake_job) -> None:
    seen: list[tuple[str, str]] = []
    jobs = [fake_job(name=name) for name in "abc"]
    with Scheduler(workers=1, progress=lambda job, phase: seen.append((job.out.name, phase.name))) as scheduler:
        scheduler.submit(jobs)
        scheduler.submit(jobs)
        assert not seen
        second = scheduler.result(jobs[1])
        assert scheduler.result(jobs[1]) is second
        assert {name for name, _ in seen} == {"b"}
        assert [phase for _, phase in seen] == ["imported", "loaded", "batch", "batch", "finished"]
        assert scheduler.result(jobs[0]).ok
    assert not (jobs[2].out / "job.json").exists()


def test_the_next_import_overlaps_and_waits_for_its_turn(fake_job) -> None:
    jobs = [fake_job(name=name) for name in "abcd"]
    with Scheduler(memory_budget=1 << 40) as scheduler:
        scheduler.submit(jobs)
        scheduler.result(jobs[0])
        ahead = dict(scheduler._alive)
        assert [out.name for out in ahead] == ["b"]
        waiting = ahead[jobs[1].out]
        assert settled(lambda: waiting._arrived.qsize() == 1)
        time.sleep(0.3)
        assert waiting._arrived.qsize() == 1, "it must not load before its turn"
        # Another one is asked for: the one ahead stays, and no third is started.
        assert scheduler.result(jobs[3]).ok
        assert list(scheduler._alive.values()) == [waiting]
        assert scheduler.result(jobs[1]).ok
        assert gone_soon(waiting.pid)
        assert [out.name for out in scheduler._alive] == ["c"]
        last = scheduler._alive[jobs[2].out]
    assert gone_soon(last.pid)


def test_no_import_ahead_without_room(fake_job) -> None:
    jobs = [fake_job(name=name) for name in "ab"]
    with Scheduler(memory_budget=1 << 20) as scheduler:
        scheduler.submit(jobs)
        assert scheduler.result(jobs[0]).ok
        assert not scheduler._alive
        assert scheduler.result(jobs[1]).ok


def test_a_runtime_that_is_not_installed_starts_no_process(fake_job, monkeypatch: pytest.MonkeyPatch) -> None:
    ghost = Runtime("ghost", "ghosts.runtime", ("nobody-has-this",), "ghost", "pytorch", "float32")
    monkeypatch.setattr("parity.backends.scheduler.RUNTIMES", {**RUNTIMES, "ghost": ghost})
    job = fake_job(backend="ghost", module="")
    with Scheduler() as scheduler:
        (outcome,) = scheduler.run([job])
    assert (outcome.status, outcome.reason) == (
        "missing",
        'nobody-has-this is not installed; pip install "parity[ghost]"',
    )
    assert not job.out.exists()


def test_an_interpreter_that_is_not_there_is_missing(fake_job) -> None:
    with Scheduler(python={"fake": Path("/nowhere/python")}) as scheduler:
        first, second = scheduler.run([fake_job(name="a"), fake_job(name="b")])
    assert first.status == second.status == "missing"
    assert first.reason == "cannot start /nowhere/python: No such file or directory"


def test_a_foreign_interpreter_finds_parity_but_not_our_packages(fake_job, tmp_path: Path) -> None:
    foreign = tmp_path / "python"
    foreign.write_text(f'#!/bin/sh\necho "path is $PYTHONPATH"\nexec {sys.executable} "$@"\n')
    foreign.chmod(0o755)
    with Scheduler(python={"fake": foreign}) as scheduler:
        (outcome,) = scheduler.run([fake_job()])
    assert outcome.status == "missing"
    assert "No module named 'well'" in outcome.reason
    path = outcome.stderr_tail.splitlines()[0].removeprefix("path is ")
    assert path == str(scheduler._bridge)


def test_misuse_is_refused(fake_job) -> None:
    scheduler = Scheduler()
    scheduler.submit([fake_job(name="a")])
    with pytest.raises(ParityError, match="two jobs answer into this folder"):
        scheduler.submit([fake_job(name="a", do="hang")])
    with pytest.raises(ParityError, match="not submitted"):
        scheduler.result(fake_job(name="b"))
    scheduler.close()
    scheduler.close()
    with pytest.raises(ParityError, match="closed"):
        scheduler.result(fake_job(name="a"))


def test_an_interrupt_ends_every_worker(fake_job) -> None:
    pids: list[int] = []

    def interrupt(job: Job, phase: object) -> None:
        pids.extend(worker.pid for worker in scheduler._alive.values())
        if len(pids) > 1:
            raise KeyboardInterrupt

    scheduler = Scheduler(progress=interrupt, memory_budget=1 << 40)
    jobs = [fake_job(name="a", at="1"), fake_job(name="b")]
    scheduler.submit(jobs)
    with pytest.raises(KeyboardInterrupt):
        scheduler.result(jobs[0])
    assert len(set(pids)) == 2
    assert all(gone_soon(pid) for pid in pids)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_with_their_parent(fake_job, tmp_path: Path, ending: signal.Signals) -> None:
    job = fake_job(do="hang")
    job.write(tmp_path / "given.json")
    code = f"""
        from pathlib import Path
        from parity.backends.job import Job
        from parity.backends.scheduler import Scheduler
        job = Job.read(Path({str(tmp_path / "given.json")!r}))
        pid = lambda: next(iter(scheduler._alive.values())).pid
        scheduler = Scheduler(progress=lambda job, phase: print(pid(), phase.name, flush=True))
        list(scheduler.run([job]))
    """
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ["PYTHONPATH"]])
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as parent:
        lines = [parent.stdout.readline().split() for _ in range(2)]
        assert [name for _, name in lines] == ["imported", "loaded"]
        pid = int(lines[0][0])
        assert alive(pid)
        parent.send_signal(ending)
        parent.wait()
    assert gone_soon(pid)


def test_memory_is_read_off_the_system(fake_job, checkpoint: dict[str, str]) -> None:
    assert 10 << 20 < group_rss(os.getpgrp()) < 64 << 30
    assert group_rss(-1) == 0
    assert 100 << 20 < available_memory() < 1 << 45
    prefix = Path(checkpoint["checkpoint"])
    size = sum(path.stat().st_size for path in prefix.parent.glob("bert.ckpt*"))
    assert size > 10_000
    by_prefix = expected_memory(fake_job(source=checkpoint))
    assert by_prefix == (1 << 30) + 4 * size
    assert expected_memory(fake_job(artifact=prefix.parent)) > by_prefix
