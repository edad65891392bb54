"""One model on its way from source to verdicts. Everything is made when first needed, once, and timed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from parity.artifacts.opening import resolve_model
from parity.artifacts.proof import read_proof
from parity.artifacts.source import Choices, Understood, understand
from parity.backends import Runtime
from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.backends.outcome import Outcome
from parity.backends.scheduler import Scheduler
from parity.errors import ParityError
from parity.events import EventLog
from parity.families import family
from parity.families.values import gelu_option
from parity.inputs.batch import Batch, as_trace, digest
from parity.inputs.tokenizers import Rules
from parity.models import Source
from parity.runs.building import Artifacts
from parity.runs.feeding import as_shipped, batches_of
from parity.runs.invariances import Invariances
from parity.runs.options import RunOptions
from parity.runs.outline import Outline, outline_of
from parity.runs.references import References
from parity.runs.segments import segments
from parity.runs.timekeeper import Timekeeper
from parity.traces import batch_path, write_batch


class ModelRun:
    """Source, inputs, artifacts and outcomes of one model in one run."""

    def __init__(
        self, outlined: Outline, options: RunOptions, log: EventLog, scratch: Path, scheduler: Scheduler | InProcess
    ) -> None:
        self.outline, self.options, self.log = outlined, options, log
        self.scratch, self._scheduler = scratch / outlined.name, scheduler
        self.times = Timekeeper(log, outlined.name)
        self._noted: set[Path] = set()
        self._jobs: dict[tuple[str, bool], Job] = {}

    @cached_property
    def source(self) -> Source:
        """Checkpoint, config and vocabulary; a stand-in is built here.

        Raises:
            ParityError: the parts do not belong together, or are no longer what the outline was made from.
        """
        with self.times.stage("stand-in" if self.outline.model == self.outline.name else "source"):
            found = resolve_model(self.outline.model, scale=self.options.scale)
            if outline_of(found, self.outline.model, self.options) != self.outline:
                raise ParityError("the source changed while the run began", where=found.checkpoint, remedy="run again")
        return found

    @cached_property
    def understood(self) -> Understood:
        """What the source's parts say together; its checkpoint is closed.

        Raises:
            ParityError: they do not belong together.
        """
        found = understand(self.source, Choices())
        found.checkpoint.close()
        return found

    @cached_property
    def tokenizer(self) -> Rules:
        """The source's rules over its vocabulary.

        Raises:
            ParityError: the source has no vocabulary.
        """
        rules = self.understood.rules
        if rules is None:
            raise ParityError("no vocabulary to make inputs with", where=self.source.checkpoint, remedy="lay it beside")
        return rules

    @cached_property
    def config_file(self) -> Path:
        """The config as it is computed with: the source's file, and what its tensors tell."""
        path = self.scratch / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(self.understood.config.raw)), encoding="utf-8")
        return path

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The batches every runtime is fed.

        Raises:
            ParityError: the user's inputs or texts do not fit this model.
        """
        with self.times.stage("inputs", own=True):
            architecture = family(self.outline.family)
            built = batches_of(architecture, self.outline.config, lambda: self.tokenizer, self.options)
            return built if self.options.inputs not in ("small", "large") else (*built, *segments(self))

    @cached_property
    def inputs_digest(self) -> str:
        """SHA-256 of everything the batches feed."""
        return digest(self.batches)

    @cached_property
    def input_files(self) -> tuple[Path, ...]:
        """The batches on disk, as workers read them."""
        folder = self.scratch / "inputs"
        for number, batch in enumerate(self.batches):
            if not batch_path(folder, number).exists():
                write_batch(batch_path(folder, number), as_trace(batch))
        return tuple(batch_path(folder, number) for number in range(len(self.batches)))

    @cached_property
    def artifacts(self) -> Artifacts:
        """What is converted from the source."""
        return Artifacts(self)

    def artifact(self, kind: str, options: Mapping[str, str] | None = None) -> Path:
        """The folder of one kind of artifact, converted with these options, from the cache or built now.

        Raises:
            ParityError: it could not be built; asked again, the same error is raised without another try.
        """
        return self.artifacts.folder(kind, options)

    def outcome(self, row: Runtime, *, following: Runtime | None = None, shipped: bool = False) -> Outcome:
        """Run the batches through a runtime, unless that was done, and let the following one import meanwhile.

        Raises:
            ParityError: its artifact could not be built.
        """
        if row.name == "oracle":
            return self.references.oracle
        jobs = [self._job(row, shipped=shipped)]
        if following is not None:
            with suppress(ParityError):  # told when its own turn comes
                jobs.append(self._job(following))
        outcome = self.wait(jobs)
        self._note(row, outcome)
        return outcome

    def wait(self, jobs: Sequence[Job]) -> Outcome:
        """Run the first of these jobs; the second may import meanwhile."""
        with self.times.waiting():
            self._scheduler.submit(jobs)
            return self._scheduler.result(jobs[0])

    @cached_property
    def references(self) -> References:
        """What every runtime is held to."""
        return References(self, scratch=self.scratch)

    @cached_property
    def invariances(self) -> Invariances:
        """Every runtime beside itself, fed otherwise."""
        return Invariances(self, scratch=self.scratch)

    def _job(self, row: Runtime, *, shipped: bool = False) -> Job:
        key = (row.name, shipped)
        if key not in self._jobs:
            taps = tuple(tap.name for tap in self.outline.taps)
            out = self.scratch / (row.name.replace(":", "-") + ("-shipped" if shipped else ""))
            files = self.shipped_files if shipped else self.input_files
            settings = {"shipped": "1"} if shipped else {}
            self._jobs[key] = self.candidate(row, taps=taps, inputs=files, out=out, settings=settings)
        return self._jobs[key]

    def candidate(
        self,
        row: Runtime,
        *,
        taps: Sequence[str],
        inputs: Sequence[Path],
        out: Path,
        settings: Mapping[str, str] | None = None,
    ) -> Job:
        """A runtime's job on its artifact.

        Raises:
            ParityError: the artifact could not be built.
        """
        spare = {"spare": ",".join(self.spare)} if row.backend == "torch" and self.spare else {}
        return self.make_job(
            row.backend,
            variant=row.variant,
            precision="float32" if row.precision == "default" else row.precision,
            taps=taps,
            out=out,
            inputs=inputs,
            kind=None if row.kind == "source" else row.kind,
            options=row.options,
            settings={**spare, **(settings or {})},
        )

    @property
    def shipped_files(self) -> tuple[Path, ...]:
        """The batches for graphs as they ship."""
        return as_shipped(self.input_files, self.batches)

    def make_job(
        self,
        backend: str,
        *,
        variant: str = "",
        precision: str,
        taps: Sequence[str],
        out: Path,
        inputs: Sequence[Path],
        kind: str | None = None,
        options: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        given: bool = False,
        module: str = "",
        inputs_digest: str | None = None,
    ) -> Job:
        """A job on this model: of an artifact of that kind and options or, without one, of the checkpoint itself."""
        source, config = self.source, self.outline.config
        activation = gelu_option(config.activation) or ""
        folder = self.artifact(kind, options) if kind else None
        proof = read_proof(folder) if folder else None
        return Job(
            backend=backend,
            variant=variant,
            precision=precision,
            family=source.family,
            head=self.outline.head.name,
            artifact=folder or source.checkpoint.parent,
            source={"checkpoint": str(source.checkpoint), "config": str(self.config_file), "activation": activation},
            taps=tuple(taps),
            inputs=tuple(inputs),
            out=out,
            threads=self.options.threads,
            batch_timeout_s=self.options.timeout_s,
            memory_limit=self.options.memory_limit,
            settings=dict(settings or {}),
            meta={
                "model": source.name,
                "inputs": inputs_digest or self.inputs_digest,
                "proof": proof.parity if proof else "",
            },
            given=given,
            module=module,
        )

    @property
    def spare(self) -> tuple[str, ...]:
        """Target tensors that the head's class does not use."""
        return tuple(sorted(family(self.outline.family).unused_by_class(self.outline.head)))

    @property
    def lacking(self) -> tuple[str, ...]:
        """Of those, the ones that the source does not have either."""
        table = family(self.outline.family).table(self.outline.config, self.outline.head)
        return tuple(sorted(set(self.spare) - {rule.target for rule in table.expanded()}))

    def forget(self, row: Runtime, *, shipped: bool = False) -> None:
        """Delete a candidate's traces: they have been judged."""
        job = self._jobs.get((row.name, shipped))
        if job is not None:
            if not shipped:
                self.invariances.keep(row, self.outcome(row))
            shutil.rmtree(job.out, ignore_errors=True)

    def _note(self, row: Runtime, outcome: Outcome) -> None:
        if outcome.job.out in self._noted:
            return
        self._noted.add(outcome.job.out)
        self.times.worker(row.name, outcome)
        if outcome.status not in ("ok", "missing"):
            self.log.write(
                "crash",
                model=self.outline.name,
                backend=row.name,
                precision=row.precision,
                status=outcome.status,
                reason=outcome.reason,
                stderr_tail=outcome.stderr_tail,
            )
