"""How fast traces are compared on one core, beside Polygraphy's comparator on the same arrays, and in how much memory.

    python bench/compare.py [--batches N] [--repeats N] [--no-polygraphy]

Reads traces as `parity compare` does: mapped files in the page cache, candidate and source float32, oracle float64
(16 bytes a value), all metrics, input checks included. Prints GiB of trace bytes per second, best of the repeats.
Polygraphy's comparator (`SimpleCompareFunc`, its defaults and with one scalar statistic) gets the mapped arrays in
memory and compares the candidate with the source and with the oracle. Only the ratio within one run means anything.
"""

from __future__ import annotations

import os

# One thread for every library, set before NumPy starts any.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from parity.measure import Comparison, compare_traces
from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_path, batch_paths, read_batch, write_batch

ROWS, TOKENS, CHANNELS, TAPS = 8, 256, 768, 3
PARTIES = ("candidate", "source", "oracle")
GIB = 2**30


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--batches", type=int, default=3)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--no-polygraphy", action="store_true")
    options.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        checked(compare(given.child))
        print(peak_kib())
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speed(folder / "full", batches=given.batches, repeats=given.repeats, share=1.0)
        speed(folder / "holes", batches=given.batches, repeats=given.repeats, share=0.8)
        if not given.no_polygraphy:
            beside_polygraphy(folder / "full", repeats=given.repeats)
        memory(folder / "full")


def compare(folder: Path) -> Comparison:
    return compare_traces(folder / "source", [folder / "candidate"], oracle=folder / "oracle")


def checked(comparison: Comparison) -> Comparison:
    assert comparison.holds, comparison.rows()
    return comparison


def build(folder: Path, batches: int, share: float) -> int:
    """Write the traces; returns the bytes of all taps. `share` of the positions is real, the rest are holes."""
    random = np.random.default_rng(0)
    mask = (random.random((ROWS, TOKENS)) < share).astype(np.int32)
    inputs = {"input_ids": mask * 7, "attention_mask": mask, "token_type_ids": mask * 0}
    size = 0
    for number in range(batches):
        taps: dict[str, dict[str, Array]] = {party: {} for party in PARTIES}
        for layer in range(TAPS):
            oracle = random.standard_normal((ROWS, TOKENS, CHANNELS))
            taps["oracle"][f"layer.{layer}"] = oracle
            for party in PARTIES[:2]:
                error = 4e-7 * random.standard_normal(oracle.shape)
                taps[party][f"layer.{layer}"] = (oracle + error).astype(np.float32)
        for party, arrays in taps.items():
            meta = {"backend": party, "precision": "float64" if party == "oracle" else "float32"}
            write_batch(batch_path(folder / party, number), TraceBatch(arrays, inputs, meta))
            size += sum(array.nbytes for array in arrays.values())
    return size


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least wall and least CPU seconds; the first run warms the page cache and does not count."""
    work()
    wall, busy = [], []
    for _ in range(repeats):
        started, cpu = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started)
        busy.append(time.process_time() - cpu)
    return min(wall), min(busy)


def speed(folder: Path, *, batches: int, repeats: int, share: float) -> None:
    size = build(folder, batches, share)
    compared = checked(compare(folder)).candidates[0].taps
    read = sum(int(tap.metrics["count"]) for tap in compared) * 16
    assert share < 1 or read == size
    wall, cpu = best(lambda: compare(folder), repeats)
    what = "no padding" if share == 1 else f"{1 - share:.0%} of the positions padding, in holes"
    print(f"parity, {what}: {read / GIB / wall:.2f} GiB/s wall, {read / GIB / cpu:.2f} GiB/s CPU, one core, ", end="")
    print(f"{wall / (read / 16) * 1e9:.1f} ns a value ({read / GIB:.2f} GiB)")


def beside_polygraphy(folder: Path, *, repeats: int) -> None:
    from polygraphy.comparator import Comparator, RunResults, SimpleCompareFunc
    from polygraphy.logger import G_LOGGER

    G_LOGGER.module_severity = G_LOGGER.CRITICAL
    results = RunResults()
    size = 0
    for party in PARTIES:
        batches = [dict(read_batch(path).taps) for path in batch_paths(folder / party)]
        size += sum(array.nbytes for batch in batches for array in batch.values())
        results.add(batches, runner_name=party)
    ours, _ = best(lambda: compare(folder), repeats)
    for label, function in (
        ("defaults", SimpleCompareFunc()),
        ("check_error_stat=max", SimpleCompareFunc(check_error_stat="max")),
    ):
        theirs, _ = best(
            lambda function=function: Comparator.compare_accuracy(  # type: ignore[misc]
                results, compare_func=function, comparisons=[(0, 1), (0, 2)]
            ),
            1,
        )
        print(f"polygraphy, {label}: {size / GIB / theirs:.2f} GiB/s wall; parity is {theirs / ours:.1f} times as fast")


def peak_kib() -> int:
    """This process' own peak. `ru_maxrss` would start from the parent's, which the kernel hands over."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def memory(folder: Path) -> None:
    """Peak memory of a process that compares ever more batches; the batches beyond the first are links to it."""
    print("peak memory of the comparing process (mapped files included):", end="")
    for count in (1, 4, 16):
        grown = folder.with_name(f"grown-{count}")
        for party in PARTIES:
            (grown / party).mkdir(parents=True)
            for number in range(count):
                batch_path(grown / party, number).symlink_to(batch_path(folder / party, 0))
        output = subprocess.run(
            [sys.executable, __file__, "--child", grown], check=True, capture_output=True, text=True
        )
        print(f" {count} batches {int(output.stdout) / 1024:.0f} MiB", end=",")
    print(f" one batch is {sum(batch_path(folder / party, 0).stat().st_size for party in PARTIES) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
