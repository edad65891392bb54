"""A whole run of rubert, twice from an empty cache: first with everything built, then again.

Prints wall time, the own share of the harness, and the largest memory of all processes. `--quick`: tiny scale.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from parity.events import read_events
from parity.report.ledger import ledger

ROOT = Path(__file__).parents[1]
WANTED = {"first": 180, "repeat": 90}


def tree_rss(pid: int) -> int:
    """Resident bytes of a process and its descendants, now; shared pages counted as often as they are mapped."""
    children: dict[int, list[int]] = {}
    memory: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            pages = int((entry / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
        memory[int(entry.name)] = pages * os.sysconf("SC_PAGE_SIZE")
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        total += memory.get(one, 0)
        waiting += children.get(one, [])
    return total


def measured(report: Path, cache: Path, scale: str) -> tuple[float, int]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites",
        "--model=rubert",
        f"--scale={scale}",
        f"--report={report}",
        "-q",
    ]
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PARITY_CACHE": str(cache)}, stdout=subprocess.PIPE)
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.25):
            peak = max(peak, tree_rss(child.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    said, _ = child.communicate()
    done.set()
    thread.join()
    if child.returncode:
        sys.exit(f"the run failed:\n{said.decode()[-3000:]}")
    return time.perf_counter() - began, peak


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    scale = "tiny" if options.parse_args().quick else "full"
    with tempfile.TemporaryDirectory(prefix="parity-bench-") as scratch:
        for name, wanted in WANTED.items():
            report = Path(scratch) / name
            wall, peak = measured(report, Path(scratch) / "cache", scale)
            spent = ledger(read_events(report).of("time"), wall)
            print(f"rubert, {scale}, {name} run: {wall:.0f} s (wanted: under {wanted} s)")
            print(f"  harness's own {spent.own.wall_s:.1f} s = {spent.own.wall_s / wall:.0%} (wanted: at most 15%)")
            print(f"  peak memory of all processes {peak / 1e9:.1f} GB (wanted: under 12 GB)")
            for stage in spent.stages:
                print(f"    {stage.name:<12} {stage.spent.wall_s:7.1f} s")


if __name__ == "__main__":
    main()
