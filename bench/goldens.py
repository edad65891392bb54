"""What the original authors' code computed (TensorFlow 1.15) and every runtime of ours, against the float64 oracle.

A line per golden and call of the original, a column per runtime: the largest noise ratio over all taps, which is the
rms error in units of what float32 rounding does to that tap (docs/numerics.md), and the tap it was found at. The
column `original` is the golden itself on the same trial: it certifies the reference. Exit code 1 if any is not within
its limits. `--markdown` prints the table as docs/goldens.md has it; `--golden DIR` takes other goldens.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from _goldens import Case, Run, cases

from parity.artifacts import convert_checkpoint
from parity.backends import RUNTIMES, status
from parity.errors import ParityError
from parity.families import family
from parity.inputs.fixtures import fixtures_root
from parity.measure.compare import by_floor
from parity.measure.station import Station
from parity.runs.options import RunOptions
from parity.runs.tracing import trace
from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_path, read_batch, write_batch

ROWS = ("tensorflow", "torch:eager", "torch:sdpa", "onnxruntime", "openvino:f32")
KINDS = {"torch:eager": "pytorch", "torch:sdpa": "pytorch", "onnxruntime": "onnx", "openvino:f32": "openvino"}
OPTIONS = RunOptions(in_process=True)


class Trial:
    """One call of the original, and every runtime on the same inputs."""

    def __init__(self, case: Case, run: Run, scratch: Path) -> None:
        self.case, self.run, self.scratch = case, run, scratch
        self.choices = replace(case.choices, tokenizer=False, settings={**case.choices.settings, **run.flags})
        np.savez(scratch / "inputs.npz", **run.inputs)  # type: ignore[arg-type]
        for backend in ("oracle", "floor", "tensorflow"):
            self.trace(str(case.checkpoint), backend)
        self.oracle = read_batch(batch_path(scratch / "oracle", 0))
        self.axes = self._axes()
        self.taps = [tap for tap in self.oracle.taps if tap in run.taps]

    def _axes(self) -> dict[str, str]:
        from parity.artifacts.opening import resolve_model
        from parity.artifacts.source import understand

        found = understand(resolve_model(str(self.case.checkpoint), tokenizer=False), self.choices)
        found.checkpoint.close()
        return {tap.name: tap.axes for tap in family(self.case.family).taps(found.config, found.head)}

    def trace(self, subject: str, backend: str) -> Path:
        out = self.scratch / backend.replace(":", "-")
        trace(
            subject,
            self.scratch / "inputs.npz",
            out,
            backend=backend,
            choices=self.choices,
            options=OPTIONS,
            force=True,
            all_positions="logit_positions" not in self.run.inputs,
        )
        return out

    def original(self) -> Path:
        """The golden, dressed as a trace. Values that it does not have are the oracle's, and not looked at."""
        held: dict[str, Array] = {}
        for tap, array in self.oracle.taps.items():
            golden = self.run.taps.get(tap)
            if golden is not None and golden.shape != array.shape:
                sys.exit(f"{self.case.name} {self.run.name} {tap}: golden {golden.shape}, oracle {array.shape}")
            held[tap] = array.astype(np.float32) if golden is None else np.ascontiguousarray(golden, np.float32)
        path = batch_path(self.scratch / "golden", 0)
        write_batch(path, TraceBatch(held, self.oracle.inputs, {**self.oracle.meta, "precision": "float32"}))
        return path.parent

    def runtime(self, name: str, artifacts: Path) -> Path | str:
        """Its trace, or why it shows none."""
        if name == "tensorflow":
            return self.scratch / "tensorflow"
        kind = KINDS[name]
        cannot = family(self.case.family).cannot
        if name in cannot or kind in cannot:
            return cannot.get(name) or cannot[kind]
        if status(RUNTIMES[name]).state != "ready":
            return "not installed"
        folder = artifacts / (kind + "".join(f"-{key}-{value}" for key, value in sorted(self.run.flags.items())))
        if not folder.exists():
            try:
                convert_checkpoint(str(self.case.checkpoint), folder, to=kind, choices=self.choices)
            except ParityError as error:
                if kind == "pytorch":
                    raise
                return error.what
        traced = self.trace(str(folder), name)
        return read_batch(batch_path(traced, 0)).skipped or traced

    def judge(self, traced: Path) -> Mapping[str, Station]:
        base, oracle, floor = (self.scratch / name for name in ("tensorflow", "oracle", "floor"))
        stations = by_floor(base, traced, oracle, floor, None, {tap: self.axes[tap] for tap in self.taps})
        shown = read_batch(batch_path(traced, 0)).meta.get("unavailable") or {}
        return {tap: station for tap, station in stations.items() if tap not in shown}


def told(stations: Mapping[str, Station]) -> tuple[str, bool]:
    """The largest noise ratio and where, and whether all are within their limits."""
    ratios = {tap: one.numbers["noise_ratio"] for tap, one in stations.items() if "noise_ratio" in one.numbers}
    held = all(one.status == "pass" for one in stations.values()) and bool(ratios)
    worst = max(ratios, key=ratios.__getitem__, default=None)
    return (f"{ratios[worst]:.2f} {worst}" if worst else "nothing judged") + ("" if held else " NOT HELD"), held


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--golden", type=Path, default=fixtures_root() / "goldens")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    lines: list[tuple[str, ...]] = [("golden", "call", "taps", "original", *ROWS)]
    broken, notes = 0, dict[str, int]()
    for case in cases(options.golden):
        with tempfile.TemporaryDirectory() as name:
            for run in case.runs:
                scratch = Path(name) / (run.name or "run")
                scratch.mkdir()
                trial = Trial(case, run, scratch)
                cells = []
                for row in ("original", *ROWS):
                    traced = trial.original() if row == "original" else trial.runtime(row, Path(name))
                    if isinstance(traced, str):
                        cells.append(f"- ({notes.setdefault(traced, len(notes) + 1)})")
                        continue
                    cell, held = told(trial.judge(traced))
                    broken += not held
                    cells.append(cell)
                lines.append((case.name, run.name, str(len(trial.taps)), *cells))
                print(f"{case.name} {run.name}: done", file=sys.stderr)
    if options.markdown:
        lines.insert(1, ("---",) * len(lines[0]))
        print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    else:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print(
            "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        )
    for note, number in notes.items():
        print(f"{'' if not options.markdown else chr(10)}({number}) {note}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
