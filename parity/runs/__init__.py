"""Walks the line from model to verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parity.runs.answer import Answer
from parity.runs.options import RunOptions
from parity.runs.outline import Case
from parity.runs.session import Run

__all__ = ["Answer", "Case", "Result", "Run", "RunOptions", "run"]


@dataclass(frozen=True)
class Result:
    """What a whole run came to."""

    holds: bool
    folder: Path
    answers: tuple[Answer, ...]


def run(*models: str, options: RunOptions | None = None) -> Result:
    """Ask every question about these models, as `pytest suites/ --model MODEL` does, from Python.

    Args:
        models: cards, folders or checkpoints.
        options: scale, backends, inputs, where the report goes.

    Raises:
        ParityError: an unknown model, runtime or tap.
    """
    one = Run.begin(options or RunOptions(), models)
    one.plan(one.cases)
    try:
        answers = tuple(one.answer(case) for case in one.cases)
    finally:
        one.close()
    red = any(answer.status == "fail" for answer in answers)
    return Result(one.finish(int(red)), one.folder, answers)
