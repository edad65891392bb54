"""The one sentence a run comes down to: parity holds, is broken, or could not be judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from parity.events import Events, Row
from parity.report.text import many, ratio

State = Literal["holds", "broken", "unjudged"]


class Counts(NamedTuple):
    """What became of every comparison that was planned."""

    expected: int
    done: int
    skipped: int
    deselected: int

    def __str__(self) -> str:
        kinds = f"{self.done} done + {self.skipped} skipped + {self.deselected} deselected"
        return f"{self.expected} expected = {kinds}" if self.add_up else f"{self.expected} expected, but {kinds}"

    @property
    def add_up(self) -> bool:
        """Whether nothing is unaccounted for."""
        return self.expected == self.done + self.skipped + self.deselected


@dataclass(frozen=True)
class Judgement:
    """A run's verdict. `reasons` say why it does not hold, weightiest first; `notes` what a reader must know anyway."""

    state: State
    counts: Counts | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    elapsed_s: float | None


_COMPARISONS = ("hidden_states", "heads")
"""Questions that are about numbers; where all of these were skipped, whatever else passed says nothing of them."""


def judge(events: Events) -> Judgement:
    """Judge a run from its events alone; the counts are recomputed here, not believed."""
    broken = tuple(_broken(events))
    unjudged = tuple(_unjudged(events))
    state: State = "broken" if broken else "unjudged" if unjudged else "holds"
    notes = tuple(dict.fromkeys(note for run in events.of("run") for note in _stand_ins(run)))
    warned = tuple(f"{row['model']} {row['backend']}: {row['message']}" for row in events.of("warning"))
    return Judgement(state, _counts(events), broken + unjudged, notes + tuple(dict.fromkeys(warned)), _elapsed(events))


def verdicts(events: Events) -> list[Row]:
    """One verdict per question, in order; where a question was answered twice, a failure stands."""
    kept: dict[tuple[str | None, ...], Row] = {}
    for row in events.of("verdict"):
        key = (row["model"], row["backend"], row["precision"], row["question"], row["tap"])
        if key not in kept or kept[key]["status"] != "fail":
            kept[key] = row
    return list(kept.values())


def name(row: Row) -> str:
    """What a verdict is about: model, backend, precision and the place."""
    place = row["tap"] or row["question"]
    return f"{row['model']} {row['backend']} {row['precision']} {place}"


def _broken(events: Events) -> Iterable[str]:
    rows = verdicts(events)
    failed = [row for row in rows if row["status"] == "fail" and row["question"] != "backend"]
    if failed:
        first = failed[0]
        value = "" if first["value"] is None else f", {ratio(first['value'])} where {ratio(first['limit'])} is allowed"
        judged = sum(row["status"] in ("pass", "fail") for row in rows)
        yield f"{len(failed)} of {many(judged, 'judged comparison')} failed, the first: {name(first)}{value}"


def _unjudged(events: Events) -> Iterable[str]:
    yield from _counting(events)
    rows = verdicts(events)
    crashes = events.of("crash")
    lost = {(row["model"], row["backend"], row["precision"]): f"{row['status']}, {row['reason']}" for row in crashes}
    for row in rows:
        if row["question"] == "backend" and row["status"] == "fail":
            lost.setdefault((row["model"], row["backend"], row["precision"]), row["message"] or "failed")
    for (model, backend, precision), what in lost.items():
        yield f"{model} {backend} {precision} could not be judged: {what}"
    for problem in events.problems:
        yield f"evidence is incomplete: {problem}"
    finish = events.of("finish")
    if finish and finish[-1]["exit_status"] != 0 and not lost and not any(row["status"] == "fail" for row in rows):
        yield f"the run ended with exit status {finish[-1]['exit_status']}, although no comparison failed"


def _counting(events: Events) -> Iterable[str]:
    counts = _counts(events)
    if counts is None:
        yield "the run did not finish: it wrote no `finish` event"
        return
    if not counts.add_up:
        gap = counts.expected - counts.done - counts.skipped - counts.deselected
        what = "missing" if gap > 0 else "too many"
        yield f"the counts do not add up: {counts}; {many(abs(gap), 'comparison')} {what}"
    planned = sum(row["comparisons"] for row in events.of("plan"))
    if planned != counts.expected:
        yield f"the counts do not add up: {planned} planned, but {counts.expected} expected"
    skipped = sum(row["count"] for row in events.of("skip"))
    if skipped != counts.skipped:
        yield f"the counts do not add up: {counts.skipped} skipped, but reasons are given for {skipped}"
    answered = sum(row["status"] != "skip" for row in verdicts(events))
    if answered < counts.done:
        yield f"the counts do not add up: {counts.done} done, but only {many(answered, 'verdict')} written"
    asked = verdicts(events)
    if not any(row["status"] in ("pass", "fail") for row in asked):
        yield "nothing was compared"
    elif {row["status"] for row in asked if row["question"] in _COMPARISONS} == {"skip"}:
        yield "nothing was compared: every comparison of activations was skipped"


def _counts(events: Events) -> Counts | None:
    rows = events.of("finish")
    return Counts(*(rows[-1][field] for field in Counts._fields)) if rows else None


def _stand_ins(run: Row) -> Iterable[str]:
    for model in run["models"]:
        if model.get("stand_in"):
            yield f"{model['model']} is a stand-in: " + (
                model.get("note") or f"weights absent; `parity fetch {model['model']}`"
            )
        elif model.get("note"):
            yield f"{model['model']}: {model['note']}"


def _elapsed(events: Events) -> float | None:
    runs, ends = events.of("run"), events.of("finish")
    try:
        return (
            datetime.fromisoformat(ends[-1]["finished"]) - datetime.fromisoformat(runs[0]["started"])
        ).total_seconds()
    except (IndexError, ValueError, TypeError):  # unfinished, or clocks without a zone: nothing to say
        return None
