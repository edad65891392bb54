"""One run: models, cases, answers, and the folder they end up in."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import parity
from parity.backends.inprocess import InProcess
from parity.backends.scheduler import Scheduler
from parity.errors import ParityError
from parity.events import EventLog, read_events
from parity.report import verdict_line, write_reports
from parity.report.judgement import judge
from parity.report.progress import LINES
from parity.runs.answer import Answer
from parity.runs.coverage import record as record_coverage
from parity.runs.environment import environment
from parity.runs.feeding import told
from parity.runs.judging import Judging
from parity.runs.model import ModelRun
from parity.runs.options import RunOptions
from parity.runs.outline import Case, Outline, cases, chosen_runtimes, outline
from parity.runs.questions import answer


class Run:
    """What `pytest suites/` and `parity run` share; knows nothing of either.

    Args:
        folder: where events and reports go.
        options: what was asked for.
        outlines: the models.
    """

    def __init__(self, folder: Path, options: RunOptions, outlines: Sequence[Outline]) -> None:
        self.folder, self.options, self.outlines = folder, options, tuple(outlines)
        self.cases = tuple(case for one in self.outlines for case in cases(one, options))
        self.summary: list[str] = []
        self._deselected: list[Case] = []
        self._selected: list[Case] = []
        self._print: Callable[[str], object] | None = None
        self._began = time.perf_counter()
        self._models: dict[str, tuple[ModelRun, Judging]] = {}
        self._told: set[str] = set()
        self._closed = False

    @classmethod
    def begin(cls, options: RunOptions, models: Sequence[str]) -> Run:
        """Look at the models and choose the run's folder; nothing is built or written yet.

        Raises:
            ParityError: an unknown model, runtime or tap, or two models of one name.
        """
        outlines = [outline(model, options) for model in models]
        names = [one.name for one in outlines]
        for name in names:
            if names.count(name) > 1:
                raise ParityError("two models of this run have the same name", got=name, remedy="rename a folder")
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        folder = options.report or Path("reports") / f"{stamp}-{'-'.join(names)}"[:100]
        return cls(folder.absolute(), options, outlines)

    def to_plain(self) -> dict[str, Any]:
        """What another process needs to join this run."""
        return {
            "folder": str(self.folder),
            "options": self.options.to_plain(),
            "models": [one.model for one in self.outlines],
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Run:
        """The inverse of `to_plain`, in another process."""
        options = RunOptions.from_plain(values["options"])
        return cls(Path(values["folder"]), options, [outline(model, options) for model in values["models"]])

    def deselect(self, case: Case) -> None:
        """This case will not be asked."""
        self._deselected.append(case)

    def plan(self, selected: Sequence[Case], *, first: bool = True) -> None:
        """These cases will be asked; the process that is `first` writes the plan down."""
        self._selected = list(selected)
        self._began = time.perf_counter()
        if not first:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
        for case in [*selected, *self._deselected]:
            groups[case.model, case.backend, case.precision].append(case)
        left_out = set(self._deselected)
        for (model, backend, precision), group in groups.items():
            self.log.write(
                "plan",
                model=model,
                backend=backend,
                precision=precision,
                taps=[case.tap for case in group if case.tap and case.question in ("hidden_states", "heads")],
                comparisons=len(group),
                deselected=sum(case in left_out for case in group),
            )

    def report_progress(self, write: Callable[[str], object]) -> None:
        """Have a line printed for every phase and failure."""
        self._print = write

    def answer(self, case: Case) -> Answer:
        """Answer a case and put the answer on disk."""
        model, judging = self._model(case.model)
        found = answer(case, model, judging)
        if found.status == "skip":
            self.log.write(
                "skip",
                model=case.model,
                backend=case.backend,
                precision=case.precision,
                tap=case.tap,
                batch=None,
                reason=found.message,
                remedy=found.remedy,
                count=1,
            )
        self.log.write("verdict", **found.row)
        return found

    def close(self) -> None:
        """End every worker, remove the scratch folder, and account for what no stage has claimed."""
        if self._selected and not self._closed:
            claimed = sum(model.times.accounted_s for model, _ in self._models.values())
            spent = time.perf_counter() - self._began - claimed
            nobody = {"model": None, "backend": None, "cpu_s": None, "peak_rss": None}
            self.log.write("time", stage="harness", wall_s=spent, own=True, **nobody)
        self._closed = True
        if "scheduler" in self.__dict__:
            self.scheduler.close()
        if "scratch" in self.__dict__:
            shutil.rmtree(self.scratch, ignore_errors=True)
        self.log.close()

    def finish(self, exit_status: int) -> bool:
        """Count, write the reports, and say whether parity holds."""
        if not any(self.folder.glob("events-*.jsonl")):
            return True  # nothing was asked, which pytest itself calls an error
        events = read_events(self.folder)
        plans = events.of("plan")
        answered = {tuple(row[key] for key in _CASE): row["status"] for row in events.of("verdict")}
        skipped = sum(status == "skip" for status in answered.values())
        self.log.write(
            "finish",
            finished=datetime.now(UTC).isoformat(),
            exit_status=exit_status,
            expected=sum(row["comparisons"] for row in plans),
            done=len(answered) - skipped,
            skipped=skipped,
            deselected=sum(row.get("deselected", 0) for row in plans),
        )
        self.log.close()
        reports = write_reports(self.folder)
        events = read_events(self.folder)
        self.summary = [verdict_line(events), f"report: {_shown(reports.html)}"]
        return judge(events).state == "holds"

    @cached_property
    def log(self) -> EventLog:
        """This process's events."""
        return EventLog(self.folder, listener=self._see)

    @cached_property
    def scratch(self) -> Path:
        """Where this process keeps traces while they are needed; `$PARITY_SCRATCH` moves it."""
        return Path(tempfile.mkdtemp(prefix="parity-run-", dir=os.environ.get("PARITY_SCRATCH")))

    @cached_property
    def scheduler(self) -> Scheduler | InProcess:
        """Who runs the runtimes."""
        if self.options.in_process:
            return InProcess()
        return Scheduler(python={name: Path(path) for name, path in self.options.python.items()})

    def _model(self, name: str) -> tuple[ModelRun, Judging]:
        if name not in self._models:
            outlined = next(one for one in self.outlines if one.name == name)
            model = ModelRun(outlined, self.options, self.log, self.scratch, self.scheduler)
            wanted = {case.backend for case in self._selected if case.model == name}
            rows = [row for row in chosen_runtimes(self.options) if row.name in wanted]
            self._write_run(model)
            stations = any(
                case.model == name and case.question in ("hidden_states", "heads") for case in self._selected
            )
            record_coverage(model, weights=stations)
            self._models[name] = (model, Judging(model, rows))
        return self._models[name]

    def _write_run(self, model: ModelRun) -> None:
        source, one = model.source, model.outline
        described = {
            "model": one.name,
            "family": one.family,
            "stand_in": source.stand_in,
            "note": source.note,
            "head": one.head.name,
            "card": source.card.name if source.card else None,
        }
        self.log.write(
            "run",
            id=self.folder.name,
            started=datetime.fromtimestamp(time.time() - (time.perf_counter() - self._began), UTC).isoformat(),
            command=" ".join(sys.argv),
            parity=parity.__version__,
            scale=self.options.scale,
            models=[described],
            inputs=[json.loads(json.dumps(told(model.outline.name, model.batches)))],
            environment=environment(),
        )

    def _see(self, row: Mapping[str, Any]) -> None:
        line = LINES[row["event"]](row) if row["event"] in LINES and row["event"] not in ("plan", "finish") else None
        if self._print is not None and line is not None and line not in self._told:
            self._told.add(line)
            self._print(line)


_CASE = ("model", "backend", "precision", "question", "tap")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
