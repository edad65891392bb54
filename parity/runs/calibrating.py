"""`parity calibrate`: every runtime on every batch of many inputs, each batch a run of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from parity.backends.inprocess import InProcess
from parity.backends.scheduler import Scheduler
from parity.events import EventLog
from parity.runs.drift import Drift, observe
from parity.runs.model import ModelRun
from parity.runs.options import RunOptions
from parity.runs.outline import chosen_runtimes, outline, references


def calibrate(
    model: str, options: RunOptions | None = None, *, progress: Callable[[str], object] = lambda line: None
) -> tuple[Drift, ...]:
    """Run every float32 runtime on the large inputs and keep how near to its limits it comes.

    Args:
        model: card name, folder or checkpoint.
        options: scale, runtimes, threads; `inputs` stays `large` unless it names a file.
        progress: told a line per runtime.

    Raises:
        ParityError: a reference failed, or a runtime is not sound.
    """
    given = options or RunOptions()
    chosen = replace(given, inputs="large") if given.inputs == "small" else given
    found: list[Drift] = []
    with _prepared(model, chosen) as run:
        for row in chosen_runtimes(chosen):
            if row.name in references() or row.precision not in ("float32", "default"):
                continue
            outcome = run.outcome(row)
            precision = outcome.describe.get("precision", "float32")
            if not outcome.ok or precision != "float32":
                progress(f"{row.name}: left out, {outcome.reason or f'it computes in {precision}'}")
                continue
            drift = observe(outcome, run.references.judge_apart(outcome, precision="float32"))
            run.forget(row)
            if drift is not None:
                found.append(drift)
                progress(
                    f"{row.name} {drift.version}: at most {drift.largest:.2f} of a limit ({drift.where}); {drift.rate}"
                )
    return tuple(found)


@contextmanager
def _prepared(model: str, options: RunOptions) -> Iterator[ModelRun]:
    with tempfile.TemporaryDirectory(prefix="parity-calibrate-") as scratch:
        folder, python = Path(scratch), {name: Path(path) for name, path in options.python.items()}
        runner = InProcess() if options.in_process else Scheduler(python=python)
        with EventLog(folder / "log") as log:
            try:
                yield ModelRun(outline(model, options), options, log, folder, runner)
            finally:
                runner.close()
