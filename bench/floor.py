"""What sound float32 runs and what faults read against the modelled floor: the constants of `numerics.md`, measured.

    python bench/floor.py [--model golden:bert_cyrillic | golden:bert_pretrain_erf | trained | CARD] [--threads N]

`trained` is a 6 x 384 stand-in with what trained models have and drawn ones lack: heavy-tailed weights with one of
6.24, uneven gammas, two dead channels, a first token whose variance sits in one channel. A table row is one runtime or
fault: the worst station's noise ratio, channel, token and row ratio, with the part of its limit in brackets,
accumulated and own; and how many stations are red. Cards run at `small` scale. `--quick` keeps to NumPy and 200 tokens.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
from _floor_runs import NUMPY, Bench, Trace, batches, faulty, model, sound

from parity.artifacts.convert import convert, derive
from parity.artifacts.source import Choices, understand
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.backends.reference import open_reference
from parity.backends.scheduler import Scheduler
from parity.inputs.batch import as_trace
from parity.measure.floor import KINDS, Floor, Kind, names, pool, read
from parity.measure.judgement import Judgement, judge
from parity.measure.limits import Groups
from parity.measure.noise import Errors, Ratios
from parity.ops import Ops, Stage, Tensor
from parity.traces import TraceBatch, batch_path, write_batch


def given(bench: Bench, trace: Trace) -> Trace:
    """What the oracle's stages make of a trace's own values."""
    reference = open_reference(replace(bench.job, precision="float64"))
    ops = NumpyOps(reference.read, np.dtype("float64"))
    found = []
    for batch in trace:

        def watch(stage: Stage, batch: TraceBatch = batch) -> Stage:
            def fn(ops: Ops, *values: Tensor) -> Tensor:
                fed = zip(stage.needs, values, strict=True)
                return stage.fn(ops, *(batch.taps[n].astype(np.float64) if n in batch.taps else v for n, v in fed))

            return Stage(stage.name, stage.needs, fn)

        taps = [tap.name for tap in bench.taps]
        found.append(TraceBatch(walk([watch(s) for s in reference.stages], ops, batch.inputs, taps), batch.inputs))
    reference.close()
    return found


class Scale:
    """All floors of a run, and the ratios of anybody on it."""

    def __init__(self, taps: Sequence[str], trace: Trace) -> None:
        self._trace = trace
        self.floors: dict[Kind, dict[str, Floor]] = {
            kind: {tap: pool([read(batch, tap, kind) for batch in trace]) for tap in taps} for kind in KINDS
        }
        self.groups = {kind: Groups.of(floors.values()) for kind, floors in self.floors.items()}

    def ratios(self, kind: Kind, tap: str, values: Trace, reference: Trace) -> Ratios:
        errors = Errors(self.floors[kind][tap])
        for number, (batch, truth) in enumerate(zip(values, reference, strict=True)):
            errors.add(str(number), batch.taps[tap], truth.taps[tap], read(self._trace[number], tap, kind))
        return errors.ratios()

    def judge(self, kind: Kind, tap: str, values: Trace, truth: Trace, source: Trace, sources: Trace) -> Judgement:
        own = self.ratios(kind, tap, values, truth)
        other = self.ratios(kind, tap, source, sources)
        return judge(self.floors[kind][tap], own, self.groups[kind], source=other)


def cells(judgements: Mapping[str, Judgement]) -> tuple[str, ...]:
    shown = []
    for group in ("whole", "channel", "token", "row"):
        found = [f for one in judgements.values() for f in one.findings if f.group == group]
        gated = [f for f in found if f.limit]
        ratio = max((f.ratio for f in gated), default=float("nan"))
        part = max((f.ratio / f.limit for f in gated if f.limit), default=float("nan"))
        shown.append(f"{ratio:9.3g} ({part:5.2f})")
    counts = [one.status for one in judgements.values()]
    return (*shown, f"{counts.count('fail')}/{counts.count('unjudged')} of {len(counts)}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="golden:bert_cyrillic")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--quick", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="parity-bench-") as name, Scheduler() as scheduler:
        scratch = Path(name)
        source = model(asked.model, scratch / "model")
        understood = understand(source, Choices())
        understood.checkpoint.close()
        config, head, family = understood.config, understood.head, understood.family
        assert understood.rules is not None
        fed = batches(source, config.positions, config.token_types, understood.rules, quick=asked.quick)
        for number, batch in enumerate(fed):
            write_batch(batch_path(scratch / "inputs" / "plain", number), as_trace(batch))
        where = {"checkpoint": str(source.checkpoint), "config": str(source.config)}
        taps = family.taps(config, head)
        common = Job(
            backend="tensorflow",
            family=family.name,
            head=head.name,
            artifact=source.checkpoint.parent,
            source={**where, "activation": config.activation.removeprefix("gelu_")},
            taps=tuple(tap.name for tap in taps),
            inputs=tuple(batch_path(scratch / "inputs" / "plain", number) for number in range(len(fed))),
            out=scratch / "none",
            threads=asked.threads,
        )
        bench = Bench(source, scratch, taps, common, scheduler)
        began = time.perf_counter()
        oracle = bench.run("oracle", backend="oracle", precision="float64", module="parity.backends.oracle")
        middle = time.perf_counter()
        floors = bench.run("floor", backend="floor", module="parity.backends.floor", taps=names(common.taps))
        ended = time.perf_counter()
        real = sum(batch.real_tokens for batch in fed)
        print(f"{asked.model}: {config.layers} x {config.hidden_size}, {real} real tokens in {len(fed)} batches")
        print(f"oracle {middle - began:.2f} s, both floors {ended - middle:.2f} s")
        scale = Scale(common.taps, floors)
        artifacts = {} if asked.quick else {kind: scratch / kind for kind in ("pytorch", "openvino", "onnx")}
        for kind, folder in artifacts.items():
            if kind == "pytorch":
                convert(source, folder)
            else:
                folder.mkdir()
                derive(artifacts["pytorch"], folder, to=kind)
        base = bench.run("source", **(NUMPY if asked.quick else {}))
        steps = given(bench, base)
        print(f"{'':52}{'noise ratio':>17}{'channel':>18}{'token':>18}{'row':>18}   red/unjudged")
        runs = sound(bench, artifacts, oracle, config.positions)
        for label, trace in chain([("the source", base)], runs, faulty(bench, config.layers)):
            own = given(bench, trace)
            for kind, truth, sources in (("accumulated", oracle, oracle), ("own", own, steps)):
                found = {tap.name: scale.judge(kind, tap.name, trace, truth, base, sources) for tap in taps}
                print(f"{label if kind == 'accumulated' else '':40}{kind:12}" + "  ".join(cells(found)), flush=True)


if __name__ == "__main__":
    main()
