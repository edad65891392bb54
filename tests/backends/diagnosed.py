"""A tiny stand-in, converted; its PyTorch artifact is damaged by hand, run, and what is wrong with it asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from parity.backends import runtime
from parity.backends.diagnosis import Diagnosis, diagnose
from parity.backends.job import Job
from parity.measure.floor import pool, read
from parity.measure.limits import Groups
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench
from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_path, batch_paths, read_batch, write_batch

Edit = Callable[[dict[str, Array]], object]


class Patient:
    """A sound conversion, and what becomes of a copy that somebody damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = Workbench("rubert", folder=folder, options=RunOptions(scale="tiny", threads=1))
        self.artifact = self.bench.model.artifact("pytorch")
        self.taps = self.bench.reference_job.taps
        self.groups = self._groups()
        self._count = 0

    def _groups(self) -> Groups:
        floors = [read_batch(path) for path in batch_paths(self.bench.model.references.floor.traces)]
        return Groups.of(pool([read(batch, tap, "own") for batch in floors]) for tap in self.taps)

    def examined(
        self,
        edit: Edit | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        misdeed: str = "",
        retold: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None,
        fed: Callable[[dict[str, Array]], Mapping[str, Array]] | None = None,
        taps: Sequence[str] | None = None,
        stations: Sequence[str] | None = None,
    ) -> Diagnosis:
        """Damage a copy of the artifact (or the run, or its answer), run it in PyTorch, ask why it deviates."""
        self._count += 1
        if not any((edit, config, settings, misdeed, fed, taps)):
            return self._asked(self._sound, stations, retold=retold)
        folder = self.folder / f"damaged-{self._count}"
        shutil.copytree(self.artifact, folder)
        if edit is not None:
            held = {name: np.array(array) for name, array in load_file(folder / "model.safetensors").items()}
            edit(held)
            whole = {name: np.ascontiguousarray(array) for name, array in held.items()}
            save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
        if config is not None:
            said = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps({**said, **config}))
        out = self.folder / f"trace-{self._count}"
        inputs = self._fed(fed) if fed is not None else None
        job = self.bench.job(
            runtime("torch:eager"), out=out, artifact=folder, taps=taps, settings=settings, inputs=inputs
        )
        if misdeed:
            job = replace(job, module="parity.backends.faulty", settings={**job.settings, "misdeed": misdeed})
        shown = self._run(job)
        shutil.rmtree(folder)
        return self._asked(shown, stations, retold=retold)

    @cached_property
    def _sound(self) -> tuple[TraceBatch, ...]:
        """What the undamaged artifact's run answered."""
        return self._run(self.bench.job(runtime("torch:eager"), out=self.folder / "trace-sound"))

    def _run(self, job: Job) -> tuple[TraceBatch, ...]:
        outcome = self.bench.run(job)
        assert outcome.ok, outcome.stderr_tail
        # What a runtime claims to have been fed is what it was given, whatever it made of it.
        asked = [read_batch(path).inputs for path in self.bench.input_files]
        pairs = zip(batch_paths(outcome.traces), asked, strict=True)
        return tuple(replace(read_batch(path), inputs=inputs) for path, inputs in pairs)

    def _asked(
        self,
        shown: Sequence[TraceBatch],
        stations: Sequence[str] | None,
        *,
        retold: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None,
    ) -> Diagnosis:
        """The diagnosis of what was answered, or of what somebody made of the answer."""
        folder = self.folder / f"retold-{self._count}"
        for number, batch in enumerate(shown):
            taps = dict(batch.taps if retold is None else retold(batch.taps))
            write_batch(batch_path(folder, number), replace(batch, taps=taps))
        return diagnose(
            self.bench.reference_job, candidate=batch_paths(folder), stations=stations or self.taps, groups=self.groups
        )

    def _fed(self, change: Callable[[dict[str, Array]], Mapping[str, Array]]) -> tuple[Path, ...]:
        """Batches in which something does not arrive as it was sent."""
        folder = self.folder / f"inputs-{self._count}"
        for number, path in enumerate(self.bench.input_files):
            batch = read_batch(path)
            write_batch(batch_path(folder, number), replace(batch, inputs=change(dict(batch.inputs))))
        return tuple(batch_paths(folder))
