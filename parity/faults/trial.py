"""One fault is put in, the harness is let loose on it, and what it says is written down."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from parity.artifacts.convert import convert
from parity.artifacts.source import Choices, understand
from parity.artifacts.tokenizer_ids import Tokenizers, first_difference, first_other_row
from parity.artifacts.verify import verify
from parity.backends import RUNTIMES
from parity.backends.job import Job
from parity.backends.outcome import Outcome
from parity.errors import BrokenParity, ParityError
from parity.families import family
from parity.faults.finding import Seen
from parity.faults.folders import read_model, spoil_artifact, write_source
from parity.faults.rules import objections
from parity.faults.values import Artifact, Fault, Graph, Inputs, Layout, Runtime, Source, Tensors, Tokens, Trace
from parity.inputs.batch import Batch
from parity.inputs.extras import limits_of
from parity.inputs.files import read_inputs
from parity.inputs.wordpiece import Casing, Tokenizer
from parity.measure import compare_traces
from parity.measure.station import Station, guilty
from parity.models import resolve
from parity.runs.workbench import Workbench
from parity.traces import TraceBatch, batch_path, read_batch, write_batch

PLAIN = RUNTIMES["torch:eager"]
_OTHER_IDS = "other token ids"


class Trials:
    """A workbench on which faults are tried, one after the other."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        used = {int(i) for batch in bench.batches for i in np.unique(batch.arrays["input_ids"])}
        rows = range(bench.outline.config.vocab_size - 1, -1, -1)
        self.layout = Layout.of(bench.outline.config, unused_row=next((row for row in rows if row not in used), 0))
        self._number = itertools.count()

    def run(self, fault: Fault) -> Seen:
        """Inject the fault and say what the harness made of it.

        Raises:
            ParityError: the trial itself could not be made.
        """
        with tempfile.TemporaryDirectory(dir=self.bench.folder, prefix="fault-") as name:
            return self._ways[type(fault.inject)](fault, Path(name))

    @cached_property
    def _ways(self) -> Mapping[type, Callable[[Any, Path], Seen]]:
        return {
            Artifact: self._artifact,
            Runtime: self._runtime,
            Graph: self._graph,
            Trace: self._trace,
            Source: self._source,
            Tokens: self._tokens,
            Inputs: self._inputs,
        }

    # -- ways in ----------------------------------------------------------------------------------------------------

    def _artifact(self, fault: Fault, folder: Path) -> Seen:
        assert isinstance(fault.inject, Artifact)
        spoil_artifact(self.pytorch, folder / "artifact", fault.inject, self.layout)
        seen = self.judged(self.job(folder, artifact=folder / "artifact"))
        return self._proved(folder / "artifact", seen) if seen.verdict == "equivalent" else seen

    def _proved(self, artifact: Path, seen: Seen) -> Seen:
        """Outputs are green: what do the hashes say?"""
        try:
            verify(artifact)
        except BrokenParity as error:
            return replace(seen, verdict="weight proof", message=str(error))
        return seen

    def _runtime(self, fault: Fault, folder: Path) -> Seen:
        assert isinstance(fault.inject, Runtime)
        return self.judged(self.misdone(folder, fault.inject))

    def _graph(self, fault: Fault, folder: Path) -> Seen:
        from parity.backends.faulty_graphs import EDITS

        assert isinstance(fault.inject, Graph)
        row = RUNTIMES[fault.inject.runtime]
        shutil.copytree(self.bench.model.artifact(row.kind, row.options), folder / "artifact")
        EDITS[fault.inject.edit](folder / "artifact")
        return self.judged(self.bench.job(row, out=self.out(folder), artifact=folder / "artifact"))

    def _trace(self, fault: Fault, folder: Path) -> Seen:
        assert isinstance(fault.inject, Trace)
        spoilt = fault.inject.edit(_batches(self.sound.traces), self.layout)
        _write(spoilt, folder / "trace")
        references = self.bench.model.references
        base = references.source.traces
        if fault.inject.source_too:
            base = folder / "source"
            _write(fault.inject.edit(_batches(references.source.traces), self.layout), base)
        axes = {tap.name: tap.axes for tap in self.bench.outline.taps}
        compared = compare_traces(base, [folder / "trace"], oracle=references.oracle.traces, axes=axes)
        problems = compared.candidates[0].problems
        if problems:
            return Seen("completeness", message=problems[0])
        return self.seen(replace(self.sound, job=replace(self.sound.job, out=folder / "trace")))

    def _source(self, fault: Fault, folder: Path) -> Seen:
        assert isinstance(fault.inject, Source)
        named = write_source(folder / "source", self.bench.source, self._model, self.layout, fault.inject)
        return _refusal(lambda: convert(resolve(str(named)), folder / "out", choices=self._choices))

    def _tokens(self, fault: Fault, folder: Path) -> Seen:
        assert isinstance(fault.inject, Tokens)
        casing = self._casing
        texts = fault.inject.texts
        tokenizer = self.bench.model.tokenizer

        def difference(found: Path) -> str:
            library = Tokenizers(found)
            told = first_difference(tokenizer, texts, library.ids(texts))[1]
            return told or first_other_row(tokenizer, library, texts) or ""

        sound = difference(self.pytorch)
        if sound:
            raise ParityError("the sound tokenizer differs on the texts of a fault", got=sound)
        path = folder / "tokenizer.json"
        edited = json.loads((self.pytorch / path.name).read_text(encoding="utf-8"))
        fault.inject.edit(edited, casing)
        path.write_text(json.dumps(edited, ensure_ascii=False), encoding="utf-8")
        told = difference(folder)
        return Seen("token ids", message=told) if told else Seen("equivalent")

    def _inputs(self, fault: Fault, folder: Path) -> Seen:
        assert isinstance(fault.inject, Inputs)
        config = self.bench.outline.config
        arrays = {name: array for name, array in self.bench.batches[0].arrays.items() if name != "logit_positions"}
        fault.inject.edit(arrays, config)
        np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
        limits = limits_of(family(self.bench.outline.family), config)
        found: list[Batch] = []
        refused = _refusal(lambda: found.extend(read_inputs(folder / "inputs.npz", **limits)))
        skipped = next((batch.skipped for batch in found if batch.skipped), "")
        return Seen("refused", message=skipped) if skipped else refused

    # -- what is shared ---------------------------------------------------------------------------------------------

    @property
    def pytorch(self) -> Path:
        """The sound Hugging Face directory."""
        return self.bench.model.artifact("pytorch")

    @cached_property
    def sound(self) -> Outcome:
        """The plain runtime on the sound artifact."""
        return self.bench.run(self.bench.job(PLAIN, out=self.bench.folder / "sound"))

    @cached_property
    def _model(self) -> Tensors:
        return read_model(self.bench.source)

    @cached_property
    def _understood(self) -> Any:
        found = understand(self.bench.source, Choices())
        found.checkpoint.close()
        return found

    @property
    def _casing(self) -> Casing:
        rules = self._understood.rules
        if not isinstance(rules, Tokenizer):
            return Casing(bool(rules and rules.lower_case), False, "of the source's rules")
        return Casing(rules.lower_case, rules.strip_accents, rules.evidence)

    @property
    def _choices(self) -> Choices:
        if not isinstance(self._understood.rules, Tokenizer):
            return Choices()
        return Choices(lower_case=self._casing.lower_case, strip_accents=self._casing.strip_accents)

    def untouched_converts(self) -> bool:
        """Is the copy of the source that faults are put into sound without them? Else a refusal would mean nothing."""
        with tempfile.TemporaryDirectory(dir=self.bench.folder, prefix="fault-") as name:
            named = write_source(Path(name) / "source", self.bench.source, self._model, self.layout, Source())
            convert(resolve(str(named)), Path(name) / "out", choices=self._choices)
            return True

    def out(self, folder: Path) -> Path:
        """A place for answers that no job had before."""
        return folder / f"out-{next(self._number)}"

    def job(self, folder: Path, *, artifact: Path | None = None, taps: tuple[str, ...] | None = None) -> Job:
        """The plain runtime on an artifact."""
        return self.bench.job(PLAIN, out=self.out(folder), artifact=artifact, taps=taps)

    def misdone(self, folder: Path, misdeed: Runtime) -> Job:
        """The plain runtime, or the faulty one where a misdeed is named."""
        job = self.job(folder)
        settings = {**job.settings, **misdeed.settings}
        if not misdeed.misdeed:
            return replace(job, settings=settings)
        return replace(job, module="parity.backends.faulty", settings={**settings, "misdeed": misdeed.misdeed})

    def judged(self, job: Job) -> Seen:
        """Run a job and judge it."""
        outcome = self.bench.run(job)
        if not outcome.ok:
            return Seen("refused", message=f"{outcome.status}: {outcome.reason}\n{outcome.stderr_tail}")
        return self.seen(outcome)

    def seen(self, outcome: Outcome) -> Seen:
        """What the harness says of a trace: stations first, then causes, and beside it the usual rules."""
        try:
            stations = self.bench.judge(outcome)
        except ParityError as error:
            return Seen("completeness", message=str(error))
        objecting = self._objections(outcome)
        red = [station for station in stations.values() if station.status in ("fail", "unjudged", "skip")]
        absent = next(iter(outcome.unavailable), None)
        if absent is not None:
            return Seen("completeness", absent, outcome.unavailable[absent], objections=objecting)
        if not red:
            return Seen("equivalent", objections=objecting)
        troubled = next((station for station in red if station.trouble or station.status == "skip"), None)
        if troubled is not None:
            ids = _OTHER_IDS in (troubled.trouble or "")
            verdict = "token ids" if ids else "completeness"
            return Seen(verdict, troubled.tap, troubled.message, objections=objecting)  # type: ignore[arg-type]
        return self._diagnosed(outcome, stations, red, objecting)

    def _diagnosed(
        self, outcome: Outcome, stations: Mapping[str, Station], red: list[Station], objecting: Mapping[str, bool]
    ) -> Seen:
        from parity.backends.diagnosis import diagnose

        found = guilty(stations.values())
        first = stations[found[0]] if found else red[0]
        judgement = first.own or first.accumulated
        seen = Seen("tap", first.tap, first.message, excess=judgement.excess if judgement else None)
        seen = replace(seen, objections=objecting)
        if not found:
            return seen
        references = self.bench.model.references
        paths = [batch_path(outcome.traces, place) for place in range(len(self.bench.batches))]
        reference = replace(references.oracle.job, taps=references.taps)
        groups = self.bench.yardstick.groups("own")
        diagnosis = diagnose(reference, candidate=paths, stations=found, groups=groups)
        # What was found at the first station counts: later ones may suffer from what came before.
        named = tuple(
            (cause.kind, " ".join([*cause.subject, cause.sentence]))
            for cause in diagnosis.causes
            if first.tap in cause.stations
        )
        return replace(seen, causes=named, sentence=diagnosis.sentence, diagnosed=True)

    def _objections(self, outcome: Outcome) -> Mapping[str, bool]:
        references = self.bench.model.references
        axes = {tap.name: tap.axes for tap in self.bench.outline.taps}
        parties = (outcome.traces, references.source.traces, references.oracle.traces)
        return objections(axes, *map(_batches, parties))


def _refusal(attempt: Callable[[], object]) -> Seen:
    try:
        attempt()
    except ParityError as error:
        if error.exit_code == 2:
            return Seen("refused", message=str(error))
        raise
    return Seen("equivalent")


def _batches(folder: Path) -> list[TraceBatch]:
    return [read_batch(path) for path in sorted(folder.glob("batch-*.safetensors"))]


def _write(batches: list[TraceBatch], folder: Path) -> None:
    for number, batch in enumerate(batches):
        write_batch(batch_path(folder, number), batch)
