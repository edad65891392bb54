"""Walks the line from model to verdict."""

from __future__ import annotations

from parity.runs.answer import Answer
from parity.runs.options import RunOptions
from parity.runs.outline import Case
from parity.runs.run import Run

__all__ = ["Answer", "Case", "Run", "RunOptions"]
