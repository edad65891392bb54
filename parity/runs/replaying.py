"""Runs a case again: the very input that once broke a runtime or a tokenizer."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from parity.backends import RUNTIMES, runtime
from parity.backends.inprocess import InProcess
from parity.errors import MissingRuntime, ParityError
from parity.events import EventLog
from parity.families import family
from parity.inputs.check import check_batch
from parity.inputs.extras import limits_of
from parity.runs.casefile import CaseFile, read_case
from parity.runs.generated_ids import Texts
from parity.runs.generated_states import States
from parity.runs.model import ModelRun
from parity.runs.options import RunOptions
from parity.runs.outline import outline


@dataclass(frozen=True)
class Replayed:
    """What a case comes to today."""

    status: Literal["pass", "fail", "skip"]
    message: str


def replay(path: Path, *, options: RunOptions | None = None) -> Replayed:
    """Run a case again, by itself.

    Args:
        path: the case's file.
        options: threads, time limits, interpreters; model, scale and runtime are the case's.

    Raises:
        ParityError: unreadable, no such model; MissingRuntime: its runtime is not installed.
    """
    case = read_case(path)
    given = options or RunOptions()
    chosen = RunOptions(
        scale=case.scale,  # type: ignore[arg-type]
        threads=given.threads,
        timeout_s=given.timeout_s,
        in_process=given.in_process,
        python=given.python,
    )
    folder = Path(tempfile.mkdtemp(prefix="parity-replay-"))
    try:
        with EventLog(folder / "log") as log:
            model = ModelRun(outline(case.model, chosen), chosen, log, folder, InProcess())
            return _replayed(model, case, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replay_in(model: ModelRun, path: Path) -> Replayed:
    """Run a case again on a model that is at hand; one of another scale, or of a runtime that is missing, is skipped.

    Raises:
        ParityError: unreadable, or it does not fit the model.
    """
    case = read_case(path)
    if case.scale != model.options.scale:
        return Replayed("skip", f"found at scale {case.scale}")
    try:
        return _replayed(model, case, path)
    except MissingRuntime as error:
        return Replayed("skip", str(error))


def _replayed(model: ModelRun, case: CaseFile, path: Path) -> Replayed:
    return _ids(model, case, path) if case.question == "generated_ids" else _states(model, case, path)


def _ids(model: ModelRun, case: CaseFile, path: Path) -> Replayed:
    if not case.texts:
        raise ParityError("a case about ids without a text", where=path)
    with closing(Texts(model, case.runtime)) as texts:
        found = [difference for text in case.texts if (difference := texts.look(text)) is not None]
    if found:
        return Replayed("fail", found[0].message)
    return Replayed("pass", f"{case.texts[0]!r} gets the source's ids from {case.runtime}")


def _states(model: ModelRun, case: CaseFile, path: Path) -> Replayed:
    config, row = model.outline.config, runtime(case.runtime)
    batch = check_batch(case.batch(), **limits_of(family(model.outline.family), config), where=path)
    if row.kind != "source":
        model.artifact(row.kind, row.options)  # without it the runtime could not be told from a sound one
    with closing(States(model, [row])) as live:
        live.load()
        seen = live.look(batch).get(row.name)
        if row.name in live.lost:
            outcome, _ = live.lost[row.name]
            if outcome.status == "missing":
                raise MissingRuntime(outcome.reason, remedy=RUNTIMES[row.name].pip)
            return Replayed("fail", f"{outcome.status}: {outcome.reason}\n{outcome.stderr_tail}".rstrip())
    if seen is None:
        return Replayed("skip", live.unfit.get(row.name, "not run"))
    status: Literal["pass", "fail", "skip"] = "fail" if seen.broken else "skip" if seen.status == "skip" else "pass"
    return Replayed(status, f"{seen.tap}: {seen.message}" if seen.tap else seen.message)
