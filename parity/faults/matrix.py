"""The kill matrix: every fault of a corpus on one model, told as text, JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.errors import ParityError
from parity.faults.corpus import elsewhere
from parity.faults.finding import Finding
from parity.faults.measures import Measure, ids, measures
from parity.faults.rules import RULES
from parity.faults.smallest import smallest
from parity.faults.trial import Trials
from parity.faults.values import Fault, fill

HEADER = ("fault", "what", "verdict", "first", "place", "cause", "smallest", "change", "rules that object")


@dataclass(frozen=True)
class Matrix:
    """What became of every fault."""

    model: str
    findings: tuple[Finding, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Numbers of the catalogue that its family's corpus does not have, and why."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What the harness is held to."""
        return measures(self.findings)

    @property
    def holds(self) -> bool:
        """Are all measures met?"""
        return all(measure.holds for measure in self.measures)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        numbers, rows = ids(self.findings)
        return {
            "model": self.model,
            "holds": self.holds,
            "catalogue numbers": numbers,
            "rows": rows,
            "measures": [measure.__dict__ for measure in self.measures],
            "faults": [found.row for found in self.findings],
            "rules": [{"name": rule.name, "formula": rule.formula, "origin": rule.origin} for rule in RULES],
            "elsewhere": dict(self.elsewhere),
        }

    def as_csv(self) -> str:
        """One line a fault, every field."""
        rows = [found.row for found in self.findings]
        fields = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def rows(self) -> list[tuple[str, ...]]:
        """Cells under `HEADER`."""
        return [_cells(found) for found in self.findings]


def build(
    trials: Trials,
    faults: Sequence[Fault],
    *,
    progress: Callable[[Finding], object] = lambda found: None,
    sizes: bool | None = None,
) -> Matrix:
    """Try every fault.

    Args:
        trials: the workbench.
        faults: of the model's family.
        progress: told of each as it is done.
        sizes: look for the smallest size of each; None: at every scale but the tiny one, which is for a quick look.

    Raises:
        ParityError: the model's own copy does not convert without a fault, or a trial could not be made.
    """
    if not trials.untouched_converts():
        raise ParityError("the untouched copy of the source does not convert", where=trials.bench.source.checkpoint)
    if sizes is None:
        sizes = trials.bench.options.scale != "tiny"
    found = []
    for fault in faults:
        found.append(_finding(trials, fault, sizes=sizes))
        progress(found[-1])
    return Matrix(trials.bench.outline.name, tuple(found), elsewhere(trials.bench.outline.family))


def _finding(trials: Trials, fault: Fault, *, sizes: bool) -> Finding:
    began = time.perf_counter()
    place = fill(fault.place, trials.layout)
    if trials.layout.config.layers < fault.least_layers:
        return Finding(fault, None, place)
    seen = trials.run(fault)
    size = smallest(trials, fault, seen) if sizes else None
    return Finding(fault, seen, place, size, time.perf_counter() - began)


def _cells(found: Finding) -> tuple[str, ...]:
    fault, seen = found.fault, found.seen
    if seen is None:
        return (fault.name, fault.what, f"needs {fault.least_layers} layers", *[""] * 6)
    verdict = seen.verdict if found.right else f"{seen.verdict}, not {fault.verdict}"
    placed = {True: "right", False: f"wrong, expected {found.place}", None: ""}[found.placed]
    size = f"2^{round(math.log2(found.smallest.t))}" if found.smallest else ""
    change = f"{found.smallest.change:.1e}" if found.smallest else ""
    return (fault.name, fault.what, verdict, seen.first, placed, found.cause, size, change, objecting(found))


def objecting(found: Finding) -> str:
    """The usual rules that object, in the order of their table: a letter each, a dot for one that does not."""
    if found.seen is None or not found.seen.objections:
        return ""
    letters = (letter if found.seen.objections[rule.name] else "." for letter, rule in zip(LETTERS, RULES, strict=True))
    return "".join(letters)


LETTERS = "abcdefghij"
"""Of `RULES`."""
