"""What a worker reports while it works: one JSON line per finished phase, on a pipe of its own."""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Name = Literal["imported", "loaded", "batch", "finished", "failed"]


@dataclass(frozen=True)
class Phase:
    """A phase that is over (`failed`: was broken off), and what it took."""

    name: Name
    wall_s: float
    cpu_s: float
    """Processor seconds of all the worker's threads."""
    peak_rss: int
    """Largest resident memory of the worker so far, bytes."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """`loaded`: describe, unavailable. `batch`: number (from 0), of, skipped. `failed`: error, kind."""

    def to_line(self) -> str:
        """One JSON line; `from_line` is the inverse."""
        return json.dumps(dataclasses.asdict(self), default=str) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Phase:
        """Read one line as `to_line` writes it."""
        return cls(**json.loads(line))


def peak_rss() -> int:
    """Largest resident memory of this process so far, bytes.

    Linux' `ru_maxrss` survives exec, so it would show the parent's peak; the kernel's own high-water mark does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
