"""What one model and its inputs hold every candidate to: oracle, floors and the source's own run, in one place.

`numerics.md`, "Pass": a station passes when its accumulated and its own error are within the limits of their floors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from parity.errors import ParityError
from parity.measure import floor as floors
from parity.measure.aligned import fed_alike
from parity.measure.floor import Floor, FloorBatch, Kind
from parity.measure.judgement import Judgement, judge
from parity.measure.limits import LEAST_SOURCE, Groups, Limits
from parity.measure.noise import Errors, Ratios
from parity.measure.places import places_of
from parity.measure.station import Station
from parity.measure.tap import TapMeasure
from parity.measure.verdict import JUDGED
from parity.tensorfile import Array
from parity.traces import TraceBatch

Read: TypeAlias = Callable[[int], TraceBatch]


@dataclass(frozen=True)
class Truth:
    """What one batch is judged by."""

    name: str
    inputs: Mapping[str, Array]
    oracle: TraceBatch
    floor: TraceBatch
    source: TraceBatch | None
    """The source's own float32 run; without it nobody is on trial but the candidate."""


@dataclass
class _Books:
    """The accounts of one tap while a candidate's batches are walked."""

    measure: TapMeasure
    accumulated: Errors
    own: Errors | None
    whole: bool = True
    """Has every batch been measured without trouble?"""


class Yardstick:
    """Judges candidates' traces station by station.

    Args:
        axes: how the axes of every station are spelt (`BTC`), in the order data flows.
        truths: per batch, what reads its references; called again whenever they are needed, so that no batch stays in
            memory.
    """

    def __init__(self, axes: Mapping[str, str], truths: Sequence[Callable[[], Truth]]) -> None:
        self.axes, self._truths = dict(axes), tuple(truths)
        self._pooled: dict[tuple[Kind, tuple[int, ...]], dict[str, Floor]] = {}
        self._sources: dict[tuple[str, tuple[int, ...]], Ratios] = {}

    def judge(
        self,
        candidate: Read,
        *,
        given: Read | None = None,
        own: Collection[str] | None = None,
        precision: str = "float32",
        batches: Sequence[int] | None = None,
        taps: Collection[str] | None = None,
    ) -> dict[str, Station]:
        """Judge one candidate.

        Args:
            candidate: reads its trace of a batch, by number.
            given: reads the oracle's steps on the candidate's own inputs to them; without it errors are judged as they
                have accumulated only.
            own: the stations whose own error those steps tell; all unless said.
            precision: what the candidate claims; only float32 and float64 are judged by this rule.
            batches: the batches it was run on; all unless said.
            taps: the stations to look at; all unless said.

        Returns:
            By tap, in the order data flows. What cannot be compared is a station that fails, not an exception.
        """
        chosen = tuple(range(len(self._truths)) if batches is None else batches)
        compared = tuple(number for number in chosen if candidate(number).skipped is None)
        wanted = [tap for tap in self.axes if taps is None or tap in taps]
        accumulated = self._floors("accumulated", compared)
        owned = {} if given is None else self._floors("own", compared)
        told = frozenset() if given is None else frozenset(wanted if own is None else own)
        books = {
            tap: _Books(
                TapMeasure(tap, precision=precision),
                Errors(accumulated[tap]) if compared else Errors(NOTHING),
                Errors(owned[tap]) if compared and tap in told else None,
            )
            for tap in wanted
        }
        for number in chosen:
            steps = None if given is None or number not in compared else given(number)
            self._measure(books, candidate(number), steps, self._truths[number]())
        if not compared:
            return {tap: Station(tap, book.measure, None, None) for tap, book in books.items()}
        judged = precision in JUDGED
        groups = {"accumulated": Groups.of(accumulated.values()), "own": Groups.of(owned.values())}
        found: dict[str, Station] = {}
        for tap, book in books.items():
            sound = judged and book.whole
            own_errors = book.own.ratios() if book.own is not None and book.whole else None
            found[tap] = Station(
                tap,
                book.measure,
                self._accumulated(tap, book, candidate, compared, groups["accumulated"]) if sound else None,
                judge(owned[tap], own_errors, groups["own"]) if judged and own_errors is not None else None,
                own_errors.rms if own_errors is not None else None,
                accumulated[tap].rms,
            )
        return found

    def groups(self, kind: Kind, batches: Sequence[int] | None = None) -> Groups:
        """How many groups a judgement over these batches has."""
        return Groups.of(self._floors(kind, tuple(range(len(self._truths)) if batches is None else batches)).values())

    def floor(self, kind: Kind, tap: str, batches: Sequence[int] | None = None) -> Floor:
        """The pooled floor of one station."""
        return self._floors(kind, tuple(range(len(self._truths)) if batches is None else batches))[tap]

    def _floors(self, kind: Kind, batches: tuple[int, ...]) -> dict[str, Floor]:
        if not batches:
            return {}
        if (kind, batches) not in self._pooled:
            read = [self._truths[number]().floor for number in batches]
            self._pooled[kind, batches] = {
                tap: floors.pool(held) if (held := floors.held(read, tap, kind)) else NOTHING for tap in self.axes
            }
        return self._pooled[kind, batches]

    def _measure(self, books: Mapping[str, _Books], trace: TraceBatch, steps: TraceBatch | None, truth: Truth) -> None:
        for tap, book in books.items():
            if trace.skipped is not None:
                book.measure.skip(truth.name, trace.skipped)
            elif not fed_alike(trace, truth.inputs):
                book.measure.refuse(truth.name, "the runtime fed other token ids than the source's rules give")
                book.whole = False
            else:
                book.whole &= self._measure_tap(book, tap, trace, steps, truth)

    def _measure_tap(self, book: _Books, tap: str, trace: TraceBatch, steps: TraceBatch | None, truth: Truth) -> bool:
        oracle = truth.oracle.taps.get(tap)
        if oracle is None and tap not in trace.taps:
            book.measure.skip(truth.name, "this batch has no such value")
            return book.whole
        if oracle is None:
            book.measure.refuse(truth.name, "the runtime shows a value that the reference does not have in this batch")
            return False
        places = places_of(self.axes[tap], oracle.shape, truth.inputs)
        source = truth.source.taps.get(tap) if truth.source is not None else None
        values = trace.taps.get(tap)
        row = book.measure.update(
            values, source, oracle, batch=truth.name, real=places.real, positions=places.positions
        )
        if row is None or values is None:
            return False
        book.accumulated.add(truth.name, values, oracle, floors.read(truth.floor, tap, "accumulated"))
        if book.own is not None:
            if steps is None or tap not in steps.taps:
                book.measure.refuse(truth.name, "the oracle's step on this runtime's own inputs is missing")
                return False
            book.own.add(truth.name, values, steps.taps[tap], floors.read(truth.floor, tap, "own"))
        return True

    def _accumulated(
        self, tap: str, book: _Books, candidate: Read, batches: tuple[int, ...], groups: Groups
    ) -> Judgement:
        pooled, ratios = self._pooled["accumulated", batches][tap], book.accumulated.ratios()
        source = self._source(tap, batches)
        between = None
        limit = Limits.of(groups, pooled).whole if pooled.rms > 0 else 0.0
        if source is not None and pooled.rms > 0 and not LEAST_SOURCE <= source.whole <= limit:
            # Only where source, oracle and floor are on trial is it asked how far the candidate is from the source.
            between = self._ratios(tap, batches, lambda number, truth: (candidate(number), truth.source))
        return judge(pooled, ratios, groups, source=source, between=between)

    def _source(self, tap: str, batches: tuple[int, ...]) -> Ratios | None:
        if self._truths[batches[0]]().source is None:
            return None
        if (tap, batches) not in self._sources:
            self._sources[tap, batches] = self._ratios(tap, batches, lambda _, truth: (truth.source, truth.oracle))
        return self._sources[tap, batches]

    def _ratios(
        self,
        tap: str,
        batches: Iterable[int],
        pair: Callable[[int, Truth], tuple[TraceBatch | None, TraceBatch | None]],
    ) -> Ratios:
        numbers = tuple(batches)
        errors = Errors(self._pooled["accumulated", numbers][tap])
        for number in numbers:
            truth = self._truths[number]()
            values, reference = pair(number, truth)
            if values is None or reference is None:
                raise ParityError("some batches have a run of the source, others do not", where=truth.name)
            if tap not in reference.taps:
                continue
            batch: FloorBatch = floors.read(truth.floor, tap, "accumulated")
            errors.add(truth.name, values.taps[tap], reference.taps[tap], batch)
        return errors.ratios()


NOTHING = Floor(rms=0.0, channels=None, width=0, positions=0, rows=0, seeds=0, token=0.0)
