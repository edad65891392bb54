"""One checkpoint with everything it is judged by, in this process: for measuring the harness itself.

Faults, harmless variants and calibration run hundreds of candidates on the same references; a process for each, and a
report for each, would be waste.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from parity.backends import Runtime
from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.backends.outcome import Outcome
from parity.events import EventLog
from parity.inputs.batch import Batch
from parity.measure.station import Station
from parity.measure.yardstick import Yardstick
from parity.models import Source
from parity.runs.model import ModelRun
from parity.runs.options import RunOptions
from parity.runs.outline import Outline, outline


class Workbench:
    """A model, its inputs and its references, ready for any number of candidates.

    Args:
        model: card name, folder or checkpoint.
        folder: where traces and artifacts of this bench lie; the caller removes it.
        options: scale, inputs, threads, taps; runtimes run in this process whatever they say.
        batches: other inputs than the options name.

    Raises:
        ParityError: there is no such model.
    """

    def __init__(
        self, model: str, *, folder: Path, options: RunOptions | None = None, batches: Sequence[Batch] | None = None
    ) -> None:
        self.options = replace(options or RunOptions(), in_process=True)
        self.folder = folder
        self.outline: Outline = outline(model, self.options)
        self._runner = InProcess()
        self.model = ModelRun(self.outline, self.options, EventLog(folder / "log"), folder, self._runner)
        if batches is not None:
            self.model.__dict__["batches"] = tuple(batches)

    @property
    def source(self) -> Source:
        """Checkpoint, config, vocabulary."""
        return self.model.source

    @property
    def batches(self) -> tuple[Batch, ...]:
        """What every candidate is fed."""
        return self.model.batches

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The batches on disk."""
        return self.model.input_files

    @property
    def yardstick(self) -> Yardstick:
        """The references as a judge of traces."""
        return self.model.references.yardstick

    @cached_property
    def reference_job(self) -> Job:
        """The oracle's job on this checkpoint, to be varied: other inputs, taps, `given`."""
        taps = self.model.references.taps
        return self.model.make_job(
            "oracle", precision="float64", taps=taps, out=self.folder / "oracle", inputs=self.input_files
        )

    def job(
        self,
        row: Runtime,
        *,
        out: Path,
        artifact: Path | None = None,
        taps: Collection[str] | None = None,
        inputs: Sequence[Path] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Job:
        """A candidate: a runtime on its artifact, or on another folder of the same kind."""
        made = self.model.candidate(
            row,
            taps=self.model.references.taps if taps is None else tuple(taps),
            inputs=self.input_files if inputs is None else inputs,
            out=out,
            settings=settings,
        )
        return made if artifact is None else replace(made, artifact=artifact)

    def run(self, job: Job) -> Outcome:
        """Run a job here; every job needs an `out` of its own."""
        return self._runner.result(job)

    def judge(self, outcome: Outcome, *, own: bool = True, places: Sequence[int] | None = None) -> dict[str, Station]:
        """Judge what a job left behind: accumulated errors and, unless declined, own ones.

        Raises:
            ParityError: a reference, or the walk for own errors, failed.
        """
        return self.model.references.judge(outcome, precision=outcome.job.precision, places=places, own=own)

    def close(self) -> None:
        """Close the log; the folder is the caller's."""
        self.model.log.close()
