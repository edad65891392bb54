"""How much memory there is, what a worker and its children hold, and what a job is expected to need."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from parity.backends.job import Job

IMPORTED = 1 << 30
"""Bytes allowed for a worker that has imported its framework and waits."""
_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


def group_rss(group: int) -> int:
    """Resident bytes of all processes of a process group; 0 on systems without /proc."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for entry in _processes():
        try:
            # Fields after the command, which may hold spaces and parentheses: state, parent, group, ..., rss (22nd).
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            continue  # it ended meanwhile
        if len(fields) > 21 and int(fields[2]) == group:
            total += int(fields[21]) * page
    return total


def available_memory() -> int:
    """Bytes that new processes may take here: what the system has to give, within the container's limit."""
    meminfo = _PROC / "meminfo"
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        limits.append(int(lines["MemAvailable"].split()[0]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        limits.append(int((_CGROUP / "memory.max").read_text()) - int((_CGROUP / "memory.current").read_text()))
    return max(min(limits), 0)


def expected_memory(job: Job) -> int:
    """Bytes a worker is expected to need: its framework, and the weights in double width with room to load them.

    A generous estimate; its only use is to decide whether the next worker may import while this one works.
    """
    place = Path(job.source.get("checkpoint", job.artifact))
    files = place.rglob("*") if place.is_dir() else place.parent.glob(f"{place.name}*")
    return IMPORTED + 4 * sum(path.stat().st_size for path in files if path.is_file())


def _processes() -> Iterator[Path]:
    if _PROC.exists():
        yield from (entry for entry in _PROC.iterdir() if entry.name.isdigit())
