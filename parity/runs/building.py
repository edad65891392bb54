"""Artifacts of one model in one run: from the cache, or converted now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from parity.artifacts import spacy_identity
from parity.artifacts.convert import convert, derive
from parity.errors import ParityError
from parity.runs.make import make
from parity.runs.store import artifact, missing_exporter

if TYPE_CHECKING:
    from parity.runs.model import ModelRun


class Artifacts:
    """Folders by kind and options, each built when first asked for."""

    def __init__(self, model: ModelRun) -> None:
        self._model = model
        self._found: dict[str, Path | ParityError] = {}

    def folder(self, kind: str, options: Mapping[str, str] | None = None) -> Path:
        """The folder of one kind of artifact, converted with these options.

        Raises:
            ParityError: it could not be built; asked again, the same error is raised without another try.
        """
        chosen = dict(options or {})
        form = "-".join(chosen.values())
        key = "-".join((kind, *chosen.values()))
        if key not in self._found:
            try:
                build = partial(self._build, kind, chosen)
                self._found[key] = artifact(self._model.source, kind, build, form=form)
            except ParityError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, ParityError):
            raise found
        return found

    def take(self, kind: str, folder: Path) -> None:
        """Take this folder for the artifact from now on: whoever puts faults in wants to see them judged."""
        self._found[kind] = folder

    def _build(self, kind: str, options: Mapping[str, str], folder: Path) -> None:
        model, times = self._model, self._model.times
        if kind == "pytorch":
            with times.stage("convert", kind):
                # The cache owns `folder` and renames it: the conversion gets a place inside to do the same.
                convert(model.source, folder / "new", to="pytorch")
                for path in (folder / "new").iterdir():
                    path.rename(folder / path.name)
                (folder / "new").rmdir()
            return
        pytorch = self.folder("pytorch")
        if kind == "tensorflow":
            with times.stage("convert", kind):
                derive(pytorch, folder, to=kind)
            return
        absent = missing_exporter(kind)
        if absent is not None:
            raise absent
        # The run loads the pipeline; wheel and sdist are for users.
        named = {**spacy_identity(model.outline.name, model.source.card), "package": False} if kind == "spacy" else {}
        with times.waiting():
            spent = make(kind, pytorch, folder, {**named, **options}, threads=model.options.threads)
        times.note("convert", kind, wall_s=spent.wall_s, cpu_s=spent.cpu_s, peak_rss=spent.peak_rss)
