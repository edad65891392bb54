"""All runtimes of a model on one generated batch after another, held to oracle, floor and source as in a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from parity.backends import FLOOR, RUNTIMES, Runtime
from parity.backends.job import Job
from parity.backends.live import Live, Lost
from parity.backends.outcome import Outcome
from parity.errors import ParityError
from parity.families import family
from parity.inputs.batch import Batch, as_trace, digest
from parity.inputs.known import applicable, explained, read_known
from parity.measure import floor as floors
from parity.measure.aligned import fed_alike
from parity.measure.station import Station
from parity.measure.yardstick import Truth, Yardstick
from parity.runs.lower import Lower
from parity.runs.model import ModelRun
from parity.runs.outline import references
from parity.traces import TraceBatch

_RED: Final = ("fail", "unjudged")


@dataclass(frozen=True)
class Seen:
    """What one batch showed of one runtime."""

    status: str
    """`pass`, `fail`, `unjudged`, `skip` (it cannot take this batch), `report` (nothing could be judged)."""
    excess: float
    """The largest ratio of any group of any station, in units of its limit."""
    tap: str | None
    ratio: float | None
    limit: float | None
    message: str
    worst: Mapping[str, Any] | None = None

    @property
    def broken(self) -> bool:
        """Beyond a limit, or nothing that could be judged by it."""
        return self.status in _RED


class States:
    """Live runtimes, and what each showed of every batch so far.

    Args:
        model: the run's.
        rows: the runtimes.
    """

    def __init__(self, model: ModelRun, rows: Sequence[Runtime]) -> None:
        self._model = model
        self._axes = {tap.name: tap.axes for tap in model.outline.taps}
        self.lost: dict[str, tuple[Outcome, Batch | None]] = {}
        """Runtimes that died, and on which batch (None: while loading)."""
        self.unfit: dict[str, str] = {}
        """Runtimes of lower precision or storage, whose yardstick is another."""
        self.skips: Counter[tuple[str, str]] = Counter()
        """Declared skips, by runtime and reason."""
        self._seen: dict[str, dict[str, Seen]] = {}
        taps, out = tuple(self._axes), model.scratch / "live"
        source = RUNTIMES[references()[1]]
        make = model.make_job
        of_floor = floors.names(taps, kinds=("accumulated",))
        self._oracle = self._open(make("oracle", precision="float64", taps=taps, out=out / "oracle", inputs=()))
        self._floor = self._open(
            make("floor", precision="float32", taps=of_floor, out=out / "floor", inputs=(), module=FLOOR.module)
        )
        self._source = self._open(model.candidate(source, taps=taps, out=out / "source", inputs=()))
        # Processes of their own answer side by side.
        self._side_by_side = ThreadPoolExecutor(1 if model.options.in_process else 3)
        self._lives: dict[str, Live] = {}
        for row in rows:
            place = out / row.name.replace(":", "-")
            with suppress(ParityError):  # without its artifact: `load` tells
                self._lives[row.name] = self._open(model.candidate(row, taps=taps, out=place, inputs=()))

    def load(self) -> None:
        """Load every runtime; one that cannot be, or is not judged, takes no part.

        Raises:
            ParityError: a reference cannot be loaded.
        """
        for live in (self._oracle, self._floor, self._source):
            assert live.describe
        for name, live in list(self._lives.items()):
            try:
                precision = live.describe.get("precision", "float32")
            except Lost as lost:
                self._lose(name, lost.outcome, None)
                continue
            if Lower.concerns(RUNTIMES[name], precision):
                self.unfit[name] = f"runs in {precision}: judged as a lower precision, by the fixed inputs alone"
                self._lives.pop(name).close()

    def has(self, batch: Batch) -> bool:
        """Whether a batch was looked at before."""
        return digest([batch]) in self._seen

    def look(self, batch: Batch) -> Mapping[str, Seen]:
        """What a batch shows of every runtime that lives; the same batch is run once.

        Raises:
            ParityError: a reference died.
        """
        key = digest([batch])
        if key not in self._seen:
            trace = as_trace(batch)
            # A few values may lie near the oracle by chance: on so little the source is on trial for lying far only.
            asked = (self._oracle, self._floor, self._source)
            oracle, floor, source = self._side_by_side.map(lambda live: live.run(trace), asked)
            truth = Truth(batch.name, batch.arrays, oracle, floor, None)
            yardstick = Yardstick(self._axes, [lambda: truth])
            trial = self._summed(yardstick.judge(lambda _: source), batch)
            found: dict[str, Seen] = {}
            for name, live in list(self._lives.items()):
                seen = self._examine(name, live, batch, trace, yardstick)
                if seen is not None:
                    found[name] = _unjudged(seen, trial) if trial.broken and seen.status != "skip" else seen
            self._seen[key] = found
        return {name: seen for name, seen in self._seen[key].items() if name not in self.lost}

    def close(self) -> None:
        """End all of them."""
        for live in (*self._lives.values(), self._oracle, self._floor, self._source):
            live.close()
        self._side_by_side.shutdown()

    def _open(self, job: Job) -> Live:
        python = self._model.options.python.get(job.name) or self._model.options.python.get(job.backend)
        return Live(job, python=Path(python) if python else None, in_process=self._model.options.in_process)

    def _examine(self, name: str, live: Live, batch: Batch, trace: TraceBatch, yardstick: Yardstick) -> Seen | None:
        try:
            answer = live.run(trace)
        except Lost as lost:
            self._lose(name, lost.outcome, batch)
            return None
        if answer.skipped is not None:
            self.skips[name, answer.skipped] += 1
            return Seen("skip", 0.0, None, None, None, answer.skipped)
        if not fed_alike(answer, batch.arrays) and self._known(name, batch):
            reason = "fed the other ids of a known tokenizer difference"
            self.skips[name, reason] += 1
            return Seen("skip", 0.0, None, None, None, reason)
        shown = [tap for tap in self._axes if tap not in live.unavailable]
        return self._summed(yardstick.judge(lambda _: answer, taps=shown), batch)

    def _summed(self, stations: Mapping[str, Station], batch: Batch) -> Seen:
        """The station that decides: the first that is red, else the one nearest to its limit."""
        broken = next((station for station in stations.values() if station.status in _RED), None)
        excesses = {tap: _excess(station) for tap, station in stations.items() if station.status in ("pass", *_RED)}
        nearest = max(excesses, key=excesses.__getitem__, default=None)
        station = broken or (stations[nearest] if nearest else None)
        if station is None:
            return Seen("report", 0.0, None, None, None, "nothing of it can be judged")
        worst = _worst(station, batch, self._model.tokenizer.vocab.tokens)
        status = broken.status if broken else "pass"
        excess = excesses[nearest] if nearest else 0.0
        return Seen(status, excess, station.tap, station.value, station.limit, station.message, worst)

    def _known(self, name: str, batch: Batch) -> bool:
        """Would some entry of the known differences account for what a runtime that tokenizes by itself was fed?"""
        of = family(self._model.outline.family).tokenizer
        entries = applicable(read_known(), name, lower_case=self._model.tokenizer.lower_case, kind=of)
        return any(explained(text, entries, lambda _: True) for text in batch.texts or ())

    def _lose(self, name: str, outcome: Outcome, batch: Batch | None) -> None:
        self.lost[name] = (outcome, batch)
        self._lives.pop(name).close()


def _unjudged(seen: Seen, source: Seen) -> Seen:
    """What is left to say where the source's own run is beyond its limit."""
    who = "source and candidate" if seen.broken else "the source, and not the candidate,"
    message = f"{who} disagree with the oracle; the source at {source.tap}: {source.message}"
    return replace(seen, status="unjudged", message=message)


def _excess(station: Station) -> float:
    findings = station.accumulated.findings if station.accumulated is not None else ()
    shares = [found.ratio / found.limit for found in findings if found.limit]
    return max((math.inf if math.isnan(share) else share for share in shares), default=0.0)


def _worst(station: Station, batch: Batch, tokens: Sequence[str]) -> dict[str, Any] | None:
    worst = station.measure.worst
    if worst is None:
        return None
    ids = batch.arrays["input_ids"][worst.row]
    at = None if worst.position is None or worst.position >= len(ids) else int(ids[worst.position])
    token = None if at is None else tokens[at] if at < len(tokens) else f"<{at}>"
    text = batch.shown[worst.row] if worst.row < len(batch.shown) else None
    return {**worst.as_dict(), "token": token, "text": text}


def shorter(batch: Batch) -> tuple[object, ...]:
    """Sorts batches: fewer positions first."""
    ids = batch.arrays["input_ids"]
    return ids.size, int(ids.sum()), int(batch.arrays["attention_mask"].size - batch.real_tokens)
