"""One worker process: started, listened to, and ended together with whatever it started itself."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from parity.backends.job import Job
from parity.backends.phase import Phase
from parity.backends.worker import EXPLAIN

_TAIL_BYTES = 64 * 1024
_TAIL_LINES = 40


class WorkerProcess:
    """A running `python -m parity.backends.worker`, in a session of its own.

    Two threads drain its pipes all the time, so that it can never block on one, whether or not anybody is listening.
    """

    def __init__(self, job: Job, *, python: Path, environment: Mapping[str, str], serve: bool = False) -> None:
        self.job = job
        self.phases: list[Phase] = []
        self.started = time.monotonic()
        file = job.out / "job.json"
        job.write(file)
        reading, writing = os.pipe()
        options = ["--phases", str(writing), *(["--serve"] if serve else [])]
        try:
            self._popen = subprocess.Popen(
                [python, "-m", "parity.backends.worker", file, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._stdin, self._output, self._ended = self._popen.stdin, bytearray(), False
        self._arrived: queue.SimpleQueue[Phase] = queue.SimpleQueue()
        self._drains = (
            threading.Thread(target=self._drain, args=(self._popen.stdout,), daemon=True),
            threading.Thread(target=self._listen, args=(reading,), daemon=True),
        )
        for drain in self._drains:
            drain.start()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._popen.pid

    def go(self) -> None:
        """Let it load and run."""
        self.say("go")

    def say(self, line: str) -> None:
        """Write it a line; to one that serves, the path of a batch, or nothing when there are no more."""
        with contextlib.suppress(BrokenPipeError):  # it is gone, which the exit code will tell
            self._stdin.write(line.encode() + b"\n")
            self._stdin.flush()

    def next_phase(self, timeout_s: float) -> Phase | None:
        """The next phase it announces within that time; also kept in `phases`. None: nothing came."""
        with contextlib.suppress(queue.Empty):
            self.phases.append(self._arrived.get(block=timeout_s > 0, timeout=timeout_s))
            return self.phases[-1]
        return None

    def exited(self) -> bool:
        """Is it over? What it started may still live."""
        return self._popen.poll() is not None

    def end(self) -> int:
        """Kill it and all it started, if anything is left; returns its exit code (negative: the signal).

        A worker that has exited by itself keeps its own exit code.
        """
        if not self._ended:
            self._ended = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()
            for drain in self._drains:
                drain.join(timeout=2.0)
        return self._popen.returncode

    def explain(self) -> None:
        """Have it print where it is; returns when it has, or after a second."""
        before, deadline = len(self._output), time.monotonic() + 1.0
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, EXPLAIN)
        while len(self._output) == before and time.monotonic() < deadline and not self.exited():
            time.sleep(0.01)
        time.sleep(0.05)  # the rest of its lines

    def tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(bytes(self._output).decode(errors="replace").splitlines()[-_TAIL_LINES:])

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while data := os.read(stream.fileno(), 1 << 16):
                # Bytes, not lines: a progress bar may never end its line.
                self._output += data
                del self._output[:-_TAIL_BYTES]

    def _listen(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8") as lines:
            for line in lines:
                with contextlib.suppress(ValueError, TypeError):  # killed in the middle of a line
                    self._arrived.put(Phase.from_line(line))


def worker_environment(bridge: Path, python: Path) -> dict[str, str]:
    """The environment in which any interpreter finds this `parity`, and nothing else of this one's packages.

    Args:
        bridge: an empty folder that is filled with a link to the package.
        python: the interpreter. A foreign one does not get this one's PYTHONPATH: its modules may not fit.
    """
    link = bridge / "parity"
    if not link.is_symlink():
        link.symlink_to(Path(__file__).resolve().parents[1], target_is_directory=True)
    inherited = os.environ.get("PYTHONPATH", "") if python == Path(sys.executable) else ""
    path = os.pathsep.join(part for part in (str(bridge), inherited) if part)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    return {**kept, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
