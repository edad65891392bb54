"""Conversion of GPT-2 XL's shape, proof included: its peak memory, and its time against `cp` of the same bytes.

Builds the stand-in (6 GB) in a temporary folder (`--scratch DIR` for another disk; 13 GB are needed), converts it in a
process of its own, checks the result against its proof, and prints a Markdown table. `--quick` takes a small shape.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

NEEDED = 13_500_000_000
TIMES_CP, PEAK = 7, 1_000_000_000


class Took(NamedTuple):
    wall_s: float
    peak_bytes: int


def run(command: list[str]) -> Took:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        said = child.stderr.read().decode() if child.stderr else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{said[-2000:]}")
    return Took(time.perf_counter() - began, usage.ru_maxrss * 1024)


def best(command: list[str], out: Path, times: int) -> Took:
    """The fastest time and the largest memory; `out` is empty before each and holds the last result after."""
    found = []
    for _ in range(times):
        if out.is_dir():
            shutil.rmtree(out)
        out.unlink(missing_ok=True)
        found.append(run(command))
    return Took(min(took.wall_s for took in found), max(took.peak_bytes for took in found))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--times", type=int, default=2)
    given = options.parse_args()
    free = shutil.disk_usage(given.scratch).free
    if not given.quick and free < NEEDED:
        sys.exit(
            f"{given.scratch} has {free / 1e9:.1f} GB free, {NEEDED / 1e9:.1f} GB are needed: name another --scratch"
        )
    from parity.models import card
    from parity.models.standin import write_stand_in

    with tempfile.TemporaryDirectory(prefix="parity-bench-", dir=given.scratch) as scratch:
        source, out, copy = (Path(scratch) / name for name in ("gpt2-xl", "out", "copy"))
        source.mkdir()
        write_stand_in(card("gpt2-xl"), scale="small" if given.quick else "full", folder=source)
        data = source / "model.ckpt.data-00000-of-00001"
        copied = best(["cp", str(data), str(copy)], copy, given.times + 1)
        copy.unlink()
        parity = [sys.executable, "-m", "parity"]
        converted = best([*parity, "convert", str(source), str(out)], out, given.times)
        run([*parity, "verify", str(out), "--source", str(source)])
        ratio = converted.wall_s / copied.wall_s
        print("| measure | found | wanted |")
        print("|---|---|---|")
        print(f"| tensors' file | {data.stat().st_size / 1e9:.2f} GB | |")
        print(f"| `cp` of it | {copied.wall_s:.2f} s | |")
        print(f"| `parity convert`, proof included | {converted.wall_s:.2f} s | |")
        print(f"| in units of `cp` | {ratio:.1f} | at most {TIMES_CP} |")
        print(f"| peak memory | {converted.peak_bytes / 1e6:.0f} MB | under {PEAK / 1e6:.0f} MB |")
        print("| `parity verify --source` | holds | holds |")
    if not given.quick and (ratio > TIMES_CP or converted.peak_bytes >= PEAK):
        sys.exit(1)


if __name__ == "__main__":
    main()
