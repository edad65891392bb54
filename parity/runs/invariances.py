"""Each runtime against itself: the same rows padded further, alone, in another order, on other threads, once more.

One extra job per runtime answers everything. It runs with another number of threads than the run itself, so that its
first answer beside the run's own tells what threads change, and every later one beside its first what feeding changes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parity.backends import Runtime
from parity.backends.outcome import Outcome
from parity.errors import BrokenParity
from parity.families import family
from parity.families.values import Tap
from parity.inputs.batch import Batch, as_trace
from parity.inputs.transforms import PADDING, Piece, Transform, alone, backwards, padded, restored, unchanged
from parity.measure import floor as floors
from parity.measure.aligned import fed_alike
from parity.measure.invariance import Pair, Sameness, compare
from parity.measure.verdict import JUDGED
from parity.runs.answer import Answer, Status
from parity.runs.outline import REPEATED, THREADS, Case, invariances
from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_path, exists, read_batch, write_batch

if TYPE_CHECKING:
    from parity.runs.model import ModelRun

_TRANSFORMS: Final[Mapping[str, Transform]] = {
    "padding": padded,
    "batch-size": alone,
    "documents": alone,
    "batch-order": backwards,
    REPEATED: unchanged,
}
"""What the cases that are not about threads feed; in a job in this order, so that the repeated call comes last."""
_LEAST_REAL: Final = 8
"""Fewest real positions of a batch to be looked at: as many as channels are judged on."""


class Invariances:
    """What one model's runtimes answer to the same rows, fed otherwise; everything is made when first needed."""

    def __init__(self, model: ModelRun, *, scratch: Path) -> None:
        self._model, self._scratch = model, scratch / "invariances"
        self._numbers: dict[str, int | None] = {}
        self._outcomes: dict[str, Outcome] = {}

    def keep(self, row: Runtime, outcome: Outcome) -> None:
        """Keep a runtime's usual answer to the batch that will be fed otherwise; its other traces may go."""
        number = self._number(row, outcome)
        if number is not None and not self._kept(row).exists():
            self._kept(row).parent.mkdir(parents=True, exist_ok=True)
            os.link(batch_path(outcome.traces, number), self._kept(row))

    def answer(self, case: Case, row: Runtime, outcome: Outcome) -> Answer:
        """Judge one invariance of a runtime that has answered the run's batches.

        Raises:
            ParityError: the floors failed.
        """
        assert case.tap is not None
        number = self._number(row, outcome)
        lacking = "the runtime answered no batch" if number is None else self._why_not(case.tap, self._batch(number))
        if lacking or number is None:
            return Answer(case, "skip", lacking, remedy="give inputs of several rows (--texts, --inputs)")
        self.keep(row, outcome)
        other = self._outcome(row, outcome, number)
        if not other.ok:
            tail = f"\n{other.stderr_tail}" if other.stderr_tail else ""
            return Answer(case, "fail", f"fed otherwise, it {other.status}: {other.reason}{tail}")
        with self._model.times.stage("invariances", row.name, own=True):
            found = compare(self._pairs(case.tap, row, other, number))
        precision = outcome.describe.get("precision", row.precision) if row.precision == "default" else row.precision
        return _told(case, found, judged=precision in JUDGED)

    def _pairs(self, name: str, row: Runtime, other: Outcome, number: int) -> Mapping[str, Sequence[Pair]]:
        batch = self._batch(number)
        floor = read_batch(batch_path(self._model.references.floor.traces, number))
        first = self._answered(other, 0, batch)
        if name == THREADS:
            pieces: Sequence[Piece] = unchanged(batch)
            usual, answers = _answer(read_batch(self._kept(row)), batch), [first]
        else:
            plan = self._plan(row, batch)
            start = 1 + sum(len(plan[one]) for one in list(plan)[: list(plan).index(name)])
            pieces, usual = plan[name], first
            answers = [self._answered(other, start + at, piece.batch) for at, piece in enumerate(pieces)]
        left = family(self._model.outline.family).feeds.left
        return {
            tap.name: [_pair(batch, tap, usual, pieces, answers, floor, left=left)]
            for tap in self._stations()
            if tap.name not in other.unavailable and exists(tap.name, batch.arrays)
        }

    def _answered(self, outcome: Outcome, place: int, batch: Batch) -> TraceBatch:
        return _answer(read_batch(batch_path(outcome.traces, place)), batch)

    def _outcome(self, row: Runtime, usual: Outcome, number: int) -> Outcome:
        if row.name not in self._outcomes:
            batch, folder = self._batch(number), self._scratch / _folder(row)
            fed = [batch, *(piece.batch for pieces in self._plan(row, batch).values() for piece in pieces)]
            inputs = tuple(batch_path(folder / "inputs", place) for place in range(len(fed)))
            for path, one in zip(inputs, fed, strict=True):
                write_batch(path, as_trace(one))
            taps = tuple(tap.name for tap in self._stations())
            threads = 1 if usual.job.threads > 1 else 2
            job = replace(usual.job, inputs=inputs, out=folder / "traces", threads=threads, taps=taps)
            self._outcomes[row.name] = self._model.wait([job])
            self._model.times.worker(row.name, self._outcomes[row.name])
        return self._outcomes[row.name]

    def _plan(self, row: Runtime, batch: Batch) -> dict[str, tuple[Piece, ...]]:
        asked = invariances(row)
        pad, feeds = self._model.tokenizer.pad, family(self._model.outline.family).feeds
        return {
            name: padded(batch, pad=pad, left=feeds.left, padding_type=feeds.padding_type)
            if make is padded
            else make(batch)
            for name, make in _TRANSFORMS.items()
            if name in asked and not self._why_not(name, batch)
        }

    def _why_not(self, name: str, batch: Batch) -> str:
        rows, length = batch.arrays["input_ids"].shape
        if name == "padding" and self._positioned and length + PADDING > self._model.outline.config.positions:
            return f"{batch.name} is as long as the model takes: it cannot be padded"
        return f"{batch.name} has one row" if rows < 2 and name in ("batch-size", "documents", "batch-order") else ""

    @property
    def _positioned(self) -> bool:
        return family(self._model.outline.family).positioned

    def _stations(self) -> tuple[Tap, ...]:
        """Values within layers may have an axis for the positions that are attended to, which padding makes longer.

        What a memory holds moves on with every position that is fed, padding too.
        """
        return tuple(tap for tap in self._model.outline.taps if tap.station != "fine" and "M" not in tap.axes)

    def _batch(self, number: int) -> Batch:
        return self._model.batches[number]

    def _number(self, row: Runtime, outcome: Outcome) -> int | None:
        """Of the smallest batch that this runtime takes: rows of different lengths, if there are such, and padding."""
        if row.name not in self._numbers:
            taken = [int(phase.detail["number"]) for phase in outcome.of("batch") if phase.detail["skipped"] is None]
            self._numbers[row.name] = min(taken, key=lambda number: _unfit(self._batch(number)), default=None)
        return self._numbers[row.name]

    def _kept(self, row: Runtime) -> Path:
        return self._scratch / _folder(row) / "usual.safetensors"


def _answer(trace: TraceBatch, batch: Batch) -> TraceBatch:
    if trace.skipped is not None:
        raise BrokenParity(f"{batch.name} was declared skipped: {trace.skipped}")
    if not fed_alike(trace, batch.arrays):
        raise BrokenParity(f"{batch.name}: the runtime fed other token ids than the source's rules give")
    return trace


def _pair(
    batch: Batch,
    tap: Tap,
    usual: TraceBatch,
    pieces: Sequence[Piece],
    answers: Sequence[TraceBatch],
    floor: TraceBatch,
    *,
    left: bool,
) -> Pair:
    theirs: Array = usual.taps[tap.name]
    other = restored(tap.axes, pieces, [answer.taps[tap.name] for answer in answers], theirs.shape, left=left)
    return Pair(batch.name, theirs, other, floors.read(floor, tap.name, "accumulated"))


def _unfit(batch: Batch) -> tuple[bool, bool, bool, int]:
    mask = batch.arrays["attention_mask"]
    return len(mask) < 2, batch.real_tokens < _LEAST_REAL, bool((mask == 1).all()), mask.size


def _told(case: Case, found: Sequence[Sameness], *, judged: bool) -> Answer:
    equal = [one for one in found if not one.unequal and not one.problem]
    broken = [one for one in found if one.problem or (not one.holds and judged)]
    worst = max(found, key=lambda one: math.inf if one.problem else one.excess, default=None)
    if worst is None:
        return Answer(case, "fail", "no station was compared")
    bits = f"bit-equal at {len(equal)} of {len(found)} stations"
    if broken:
        first = broken[0]
        message = first.problem or _apart(first)
        return Answer(case, "fail", f"{first.tap}: {message}; {bits}", _finite(first.ratio), _finite(first.limit))
    if len(equal) == len(found):
        return Answer(case, "pass", bits, 0.0)
    status: Status = "pass" if judged else "report"
    if case.tap == REPEATED:
        status, bits = "fail", f"the same call gives other bits: {bits}"
    return Answer(case, status, f"{bits}; {worst.tap}: {_apart(worst)}", _finite(worst.ratio), _finite(worst.limit))


def _apart(one: Sameness) -> str:
    if one.worst is None:
        return f"{one.unequal} values differ"
    worst = one.worst
    return f"{one.unequal} values differ, the {worst.group} by {worst.ratio:.3g} floors, limit {worst.limit:.3g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _folder(row: Runtime) -> str:
    return row.name.replace(":", "-")
