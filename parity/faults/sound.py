"""False alarms: harmless variants, each a run of its own on every model and set of inputs, judged like any other."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.backends import RUNTIMES, status
from parity.backends.outcome import Outcome
from parity.families import family
from parity.faults.folders import spoil_artifact
from parity.faults.rules import RULES, objections
from parity.faults.values import Artifact, Layout
from parity.faults.variants import Variant, variants
from parity.inputs.batch import Batch, as_trace
from parity.inputs.fixtures import fixtures_root
from parity.inputs.transforms import Piece, restored
from parity.models import card, card_names, resolve
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench
from parity.traces import TraceBatch, batch_path, exists, read_batch, write_batch

SETS: Mapping[str, tuple[str, ...]] = {
    "texts": ("single", "padded", "paired"),
    "masks": ("empty-second", "left-padded", "holed"),
    "short": ("one-token", "bare"),
    "long": ("full",),
    "memory": ("segment", "permuted"),
}
"""Kinds of batches by set of inputs; no batch is in two of them."""


@dataclass(frozen=True)
class SoundRun:
    """One variant on one model and set of inputs."""

    model: str
    inputs: str
    variant: str
    alarm: str
    """What the harness objected to; empty if, rightly, to nothing."""
    objections: Mapping[str, bool]
    seconds: float

    @property
    def row(self) -> dict[str, Any]:
        """Flat."""
        rules = {f"rule {name}": objects for name, objects in self.objections.items()}
        return {
            "model": self.model,
            "inputs": self.inputs,
            "variant": self.variant,
            "alarm": self.alarm,
            "seconds": round(self.seconds, 2),
            **rules,
        }


@dataclass(frozen=True)
class Soundness:
    """All of them."""

    runs: tuple[SoundRun, ...]
    wanted: int

    @property
    def alarms(self) -> tuple[SoundRun, ...]:
        """Those that were objected to."""
        return tuple(run for run in self.runs if run.alarm)

    @property
    def bound(self) -> float:
        """Upper bound (95 %) of the rate of false alarms, where there was none: 3/n."""
        return 3 / len(self.runs) if self.runs else 1.0

    @property
    def holds(self) -> bool:
        """No alarm, in as many runs as were wanted."""
        return not self.alarms and len(self.runs) >= self.wanted

    def by_rule(self) -> dict[str, int]:
        """How many of the sound runs each usual rule objects to."""
        return {rule.name: sum(run.objections[rule.name] for run in self.runs) for rule in RULES}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "runs": len(self.runs),
            "alarms": len(self.alarms),
            "upper bound of the rate": self.bound,
            "holds": self.holds,
            "objections of the usual rules": self.by_rule(),
            "all": [run.row for run in self.runs],
        }


_NEIGHBOURS: Mapping[str, tuple[str, ...]] = {"bert": ("rubert", "danish-bert", "bert-base-uncased")}
_GOLDENS: Mapping[str, str] = {
    "bert": "bert_*",
    "gpt2": "gpt2",
    "transfo-xl": "transfo_xl_div4*",
    "xlnet": "xlnet_pretrain",
}


def neighbours(model: str) -> tuple[str, ...]:
    """The model itself, and others of its family to be quiet on: cards, and the goldens where they are at hand.

    Raises:
        ParityError: there is no such model.
    """
    of = family_of(model)
    goldens = fixtures_root() / "goldens"
    folders = sorted(str(path) for path in goldens.glob(_GOLDENS[of])) if goldens.is_dir() and of in _GOLDENS else []
    return tuple(dict.fromkeys((model, *_NEIGHBOURS.get(of, ()), *folders)))


def family_of(model: str) -> str:
    """The architecture of a card or checkpoint.

    Raises:
        ParityError: there is no such model.
    """
    return card(model).family if model in card_names() else resolve(model, tokenizer=False).family


def soundness(
    models: Sequence[str],
    *,
    options: RunOptions,
    folder: Path,
    most: int,
    progress: Callable[[SoundRun], object] = lambda run: None,
) -> Soundness:
    """Run harmless variants, model after model, until there are `most` runs.

    Args:
        models: cards, folders or checkpoints.
        options: scale and threads.
        folder: scratch space; the caller removes it.
        most: how many runs to make; every model gets an equal share.
        progress: told of each run as it is done.

    Raises:
        ParityError: a model or reference fails.
    """
    found: list[SoundRun] = []
    # Where one set of inputs stops, the next goes on: a share of the runs has all variants, not the first ones only.
    turns = deque(variants(family_of(models[0])) if models else ())
    for place, model in enumerate(models):
        share = -(-(most - len(found)) // (len(models) - place))
        for run in _of_model(model, options, folder / str(place), share, turns):
            found.append(run)
            progress(run)
    return Soundness(tuple(found), most)


def _of_model(model: str, options: RunOptions, folder: Path, most: int, turns: deque[Variant]) -> Iterator[SoundRun]:
    whole = Workbench(model, folder=folder / "whole", options=options)
    made = 0
    sets = {name: [batch for batch in whole.batches if batch.kind in kinds] for name, kinds in SETS.items()}
    held = {name: batches for name, batches in sets.items() if batches}
    for place, (name, batches) in enumerate(held.items(), 1):
        bench = Workbench(model, folder=folder / name, options=options, batches=batches)
        quota = -(-most * place // len(held))
        for _ in range(len(turns)):
            if made == quota:
                break
            run = _run(bench, name, turns[0])
            turns.rotate(-1)
            if run is not None:
                made += 1
                yield run
        bench.close()
    whole.close()


def _run(bench: Workbench, name: str, variant: Variant) -> SoundRun | None:
    """None where the runtime is not installed, or the variant cannot be made of these inputs."""
    row, architecture = RUNTIMES[variant.runtime], family(bench.outline.family)
    refused = architecture.refused(bench.outline.config, bench.outline.head)
    if status(row).state != "ready" or {row.name, row.kind} & refused.keys():
        return None
    pieces = [variant.feed(batch) if variant.feed else () for batch in bench.batches]
    longest = max((p.batch.arrays["input_ids"].shape[1] for batch in pieces for p in batch), default=0)
    if architecture.positioned and longest > bench.outline.config.positions:
        return None
    began = time.perf_counter()
    bench.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bench.folder, prefix="sound-") as scratch:
        outcome = _outcome(bench, variant, pieces, Path(scratch))
        alarm = "" if outcome.ok else f"{outcome.status}: {outcome.reason}"
        objecting: Mapping[str, bool] = dict.fromkeys((rule.name for rule in RULES), False)
        if outcome.ok:
            stations = bench.judge(outcome)
            # XLNet's second stream is in no batch of some sets.
            shown = [one for one in stations.values() if any(exists(one.tap, b.arrays) for b in bench.batches)]
            red = [station for station in shown if station.status not in ("pass", "report")]
            alarm = f"{red[0].tap}: {red[0].message}" if red else ""
            references = bench.model.references
            axes = {tap.name: tap.axes for tap in bench.outline.taps}
            parties = (outcome.traces, references.source.traces, references.oracle.traces)
            objecting = objections(
                axes, *([read_batch(path) for path in sorted(one.glob("batch-*"))] for one in parties)
            )
    return SoundRun(bench.outline.name, name, variant.name, alarm, objecting, time.perf_counter() - began)


def _outcome(bench: Workbench, variant: Variant, pieces: Sequence[tuple[Piece, ...]], scratch: Path) -> Outcome:
    """Run a variant; its traces are put back into the order and shape of the plain batches."""
    row = RUNTIMES[variant.runtime]
    artifact = None
    if variant.edit is not None:
        artifact = scratch / "artifact"
        layout = Layout.of(bench.outline.config)
        spoil_artifact(bench.model.artifact("pytorch"), artifact, Artifact(variant.edit), layout)
    inputs = bench.input_files
    if variant.feed is not None:
        fed = [piece.batch for batch in pieces for piece in batch]
        inputs = tuple(batch_path(scratch / "inputs", number) for number in range(len(fed)))
        for path, batch in zip(inputs, fed, strict=True):
            write_batch(path, as_trace(batch))
    job = bench.job(row, out=scratch / "out", artifact=artifact, inputs=inputs)
    if variant.threads is not None:
        job = replace(job, threads=variant.threads)
    if variant.rewriting:
        settings = {**job.settings, "rewriting": variant.rewriting}
        job = replace(job, module="parity.backends.harmless", settings=settings)
    outcome = bench.run(job)
    if not outcome.ok:
        return outcome
    traces = scratch / "restored"
    answers = iter(read_batch(path) for path in sorted(outcome.traces.glob("batch-*")))
    axes = {tap.name: tap.axes for tap in bench.outline.taps}
    for number, batch in enumerate(bench.batches):
        mine = pieces[number] or (Piece(batch, tuple(range(len(batch.arrays["input_ids"])))),)
        parts = [next(answers) for _ in mine]
        taps = {
            tap: restored(axes[tap], mine, [part.taps[tap] for part in parts], _shape(axes[tap], batch, parts[0], tap))
            for tap in parts[0].taps
        }
        write_batch(batch_path(traces, number), TraceBatch(variant.restore(taps), batch.arrays, parts[0].meta))
    return replace(outcome, job=replace(outcome.job, out=traces, inputs=bench.input_files))


def _shape(axes: str, batch: Batch, part: TraceBatch, tap: str) -> tuple[int, ...]:
    """The tap's shape on the plain batch."""
    rows, length = batch.arrays["input_ids"].shape
    sizes = {"B": rows, "T": length}
    return tuple(sizes.get(letter, size) for letter, size in zip(axes, part.taps[tap].shape, strict=True))
