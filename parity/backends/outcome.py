"""What became of a job."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from parity.backends.job import Job
from parity.backends.phase import Name, Phase

Status = Literal["ok", "missing", "crashed", "timeout", "memory"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended, what it took, and where its traces are."""

    job: Job
    status: Status
    reason: str
    """In words; empty when all is well."""
    stderr_tail: str = ""
    """The last lines of what the worker wrote on standard output and standard error."""
    phases: tuple[Phase, ...] = ()
    tree_peak_rss: int = 0
    """Largest resident memory of the worker and its children, as polled from outside, bytes."""

    @property
    def ok(self) -> bool:
        """Every batch was answered (some perhaps by a declared skip)."""
        return self.status == "ok"

    @property
    def traces(self) -> Path:
        """Folder of the traces; incomplete unless `ok`."""
        return self.job.out

    @property
    def batches(self) -> int:
        """Batches answered."""
        return len(self.of("batch"))

    @property
    def describe(self) -> Mapping[str, str]:
        """The backend's description of itself; empty if it never loaded."""
        return self._loaded("describe")

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Taps the backend cannot show, with the reason."""
        return self._loaded("unavailable")

    @property
    def import_s(self) -> float:
        """Wall seconds of importing the runtime."""
        return sum(phase.wall_s for phase in self.of("imported"))

    @property
    def load_s(self) -> float:
        """Wall seconds of loading the artifact."""
        return sum(phase.wall_s for phase in self.of("loaded"))

    @property
    def forward_s(self) -> float:
        """Wall seconds of all forward passes, without writing the traces."""
        return sum(phase.wall_s for phase in self.of("batch")) - self.write_s

    @property
    def write_s(self) -> float:
        """Wall seconds of writing the traces: the harness's own."""
        return sum(float(phase.detail["write_s"]) for phase in self.of("batch"))

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all phases and threads."""
        return sum(phase.cpu_s for phase in self.phases)

    @property
    def peak_rss(self) -> int:
        """Largest resident memory, bytes."""
        return max((self.tree_peak_rss, *(phase.peak_rss for phase in self.phases)))

    def of(self, name: Name) -> Sequence[Phase]:
        """The phases of that name."""
        return [phase for phase in self.phases if phase.name == name]

    def _loaded(self, key: str) -> Mapping[str, str]:
        found: Mapping[str, str] = next((phase.detail[key] for phase in self.of("loaded")), {})
        return found


def doing(job: Job, phases: Sequence[Phase]) -> str:
    """What a worker that has announced these phases is busy with, in words."""
    finished = [phase.name for phase in phases if phase.name != "failed"]
    last = finished[-1] if finished else None
    if last in ("loaded", "batch"):
        number = finished.count("batch") + 1
        if not job.inputs:  # it serves
            return f"on batch {number}"
        return f"on batch {number} of {len(job.inputs)}" if number <= len(job.inputs) else "closing"
    return {None: "importing the runtime", "imported": "loading the artifact", "finished": "ending"}[last]


def judge(job: Job, phases: Sequence[Phase], code: int) -> tuple[Status, str]:
    """Status and reason of a worker that ended by itself with that exit code (negative: by that signal)."""
    names = [phase.name for phase in phases]
    if "finished" in names and code == 0:
        return "ok", ""
    busy = doing(job, phases)
    for failed in (phase for phase in phases if phase.name == "failed"):
        kind, text = failed.detail["kind"], f"{failed.detail['error']} ({busy})"
        if kind == "ModuleNotFoundError" and "imported" not in names:
            return "missing", text
        return ("memory" if kind == "MemoryError" else "crashed"), text
    if code >= 0:
        return "crashed", f"ended with exit code {code} {busy}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", which is what the system does when memory runs out" if name == "SIGKILL" else ""
    return "crashed", f"ended by {name} {busy}{hint}"
