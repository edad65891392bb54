"""What a model's runtimes are held to: the oracle, the floors, the source's own run, and the residual of each runtime.

Oracle and floors cost far more than a forward pass; they are computed once per checkpoint and inputs, and cached.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from parity.backends import FLOOR, RUNTIMES, Runtime
from parity.backends.executors.walk import nearest
from parity.backends.outcome import Outcome
from parity.errors import ParityError
from parity.families import family
from parity.families.values import Tap
from parity.inputs.batch import Batch, digest
from parity.measure import floor as floors
from parity.measure.station import Station
from parity.measure.yardstick import Truth, Yardstick
from parity.runs.outline import references
from parity.runs.store import reference_traces
from parity.traces import TraceBatch, batch_path, read_batch

if TYPE_CHECKING:
    from parity.runs.model import ModelRun


class References:
    """The references of one model's inputs; everything is made when first needed.

    Args:
        model: the model in its run.
        scratch: where traces lie while they are needed.
        stations: the taps to judge, in the order data flows; those of the run unless said.
        numbers: which of the run's batches to judge on; all unless said.
        trial: put source, oracle and floor on trial too, which costs a run of the source.
    """

    def __init__(
        self,
        model: ModelRun,
        *,
        scratch: Path,
        stations: Sequence[Tap] | None = None,
        numbers: Sequence[int] | None = None,
        trial: bool = True,
    ) -> None:
        self._model, self._scratch, self._trial = model, scratch, trial
        self._whole = stations is None and numbers is None
        self._stations = tuple(model.outline.taps if stations is None else stations)
        self.numbers = tuple(range(len(model.batches)) if numbers is None else numbers)

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the stations."""
        return tuple(tap.name for tap in self._stations)

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The batches judged on."""
        return tuple(self._model.batches[number] for number in self.numbers)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The same on disk."""
        return tuple(self._model.input_files[number] for number in self.numbers)

    @cached_property
    def oracle(self) -> Outcome:
        """The float64 reference on every batch.

        Raises:
            ParityError: it failed.
        """
        return self._cached("oracle", self.taps, precision="float64")

    @cached_property
    def floor(self) -> Outcome:
        """What float32 rounding does to every station, accumulated and own (`parity.measure.floor`).

        Raises:
            ParityError: it failed.
        """
        return self._cached("floor", floors.names(self.taps), module=FLOOR.module, precision="float32")

    @property
    def source(self) -> Outcome:
        """The source's own float32 run.

        Raises:
            ParityError: it failed: then there is nothing to compare with.
        """
        name = references()[1]
        found = self.outcome(RUNTIMES[name])
        if not found.ok:
            raise ParityError(f"nothing to compare with: {name} {found.status}: {found.reason}")
        return found

    def outcome(self, row: Runtime) -> Outcome:
        """A runtime on these batches, showing these stations.

        Raises:
            ParityError: its artifact could not be built.
        """
        if self._whole:
            return self._model.outcome(row)
        out = self._scratch / row.name.replace(":", "-")
        return self._model.wait([self._model.candidate(row, taps=self.taps, inputs=self.files, out=out)])

    @cached_property
    def yardstick(self) -> Yardstick:
        """All of them, batch by batch."""
        axes = {tap.name: tap.axes for tap in self._stations}
        return Yardstick(axes, [partial(self._truth, place) for place in range(len(self.batches))])

    @contextmanager
    def steps(
        self, outcome: Outcome, places: Sequence[int], *, settings: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Outcome, tuple[str, ...]]]:
        """The oracle's steps on a runtime's own inputs to them, and the stations for which that tells its own error.

        Args:
            outcome: of the runtime.
            places: the batches it was run on.
            settings: of the oracle, where it has other weights than the source's.

        Raises:
            ParityError: the walk failed.
        """
        misshapen = self._misshapen(outcome, places)
        shown = [tap for tap in self.taps if tap not in outcome.unavailable and tap not in misshapen]
        config, head = self._model.outline.config, self._model.outline.head
        stages = family(self._model.outline.family).stages(config, head)
        # Own noise begins anew at every station of the run: where one is not shown, the next one's is unknown.
        own = tuple(tap for tap in shown if nearest(stages, tap, self.taps) <= set(shown))
        traces = tuple(batch_path(outcome.traces, place) for place in range(len(outcome.job.inputs)))
        # One runtime may be held to several oracles: by the source's weights, and by those it ships.
        weights = [Path(value).name for value in (settings or {}).values()]
        out = outcome.job.out.with_name("-".join([outcome.job.out.name, "steps", *weights]))
        make = self._model.make_job
        job = make("oracle", precision="float64", taps=own, out=out, inputs=traces, settings=settings, given=True)
        found = self._model.wait([job])
        self._model.times.worker(f"oracle on {outcome.job.name}", found)
        if not found.ok:
            raise ParityError(f"the oracle's steps failed: {found.reason}", remedy=found.stderr_tail)
        try:
            yield found, own
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def judge(
        self,
        outcome: Outcome,
        *,
        precision: str,
        places: Sequence[int] | None = None,
        taps: Collection[str] | None = None,
        own: bool = True,
    ) -> dict[str, Station]:
        """Judge a runtime's traces at the stations it shows.

        Args:
            outcome: of the runtime, which answered.
            precision: what it claims.
            places: which of these batches it was run on; all unless said.
            taps: the stations to look at; all that it shows unless said.
            own: judge own errors too, which costs a walk of the oracle.

        Raises:
            ParityError: a reference failed.
        """
        chosen = tuple(range(len(self.batches)) if places is None else places)
        with self._judging(outcome, chosen, precision=precision, taps=taps, own=own) as judge:
            return judge(chosen)

    def judge_apart(self, outcome: Outcome, *, precision: str) -> list[dict[str, Station]]:
        """Judge a runtime batch by batch, as if each were a run of its own.

        Raises:
            ParityError: a reference failed.
        """
        chosen = tuple(range(len(self.batches)))
        with self._judging(outcome, chosen, precision=precision, taps=None, own=True) as judge:
            return [judge((place,)) for place in chosen]

    @contextmanager
    def _judging(
        self, outcome: Outcome, chosen: tuple[int, ...], *, precision: str, taps: Collection[str] | None, own: bool
    ) -> Iterator[Callable[[tuple[int, ...]], dict[str, Station]]]:
        at = {place: number for number, place in enumerate(chosen)}
        self._prepare()
        shown = [tap for tap in self.taps if tap not in outcome.unavailable and (taps is None or tap in taps)]

        def read(traces: Path, place: int) -> TraceBatch:
            return read_batch(batch_path(traces, at[place]))

        with self.steps(outcome, chosen) if own else nullcontext((None, ())) as (steps, owned):

            def judge(places: tuple[int, ...]) -> dict[str, Station]:
                return self.yardstick.judge(
                    partial(read, outcome.traces),
                    given=partial(read, steps.traces) if steps else None,
                    own=owned,
                    precision=precision,
                    batches=places,
                    taps=shown,
                )

            with self._model.times.stage("compare", outcome.job.name, own=True):
                yield judge

    def _misshapen(self, outcome: Outcome, places: Sequence[int]) -> set[str]:
        """Taps that cannot be handed on, because some batch shows none or one of another shape."""
        found = set[str]()
        for number, place in enumerate(places):
            trace = read_batch(batch_path(outcome.traces, number))
            if trace.skipped is None:
                oracle = read_batch(batch_path(self.oracle.traces, place)).taps
                found |= {
                    tap
                    for tap in self.taps
                    if (tap in oracle) != (tap in trace.taps)
                    or (tap in oracle and trace.taps[tap].shape != oracle[tap].shape)
                }
        return found

    def _prepare(self) -> None:
        """Whatever has to run, runs before the comparison's clock does."""
        for outcome in (self.oracle, self.floor, *((self.source,) if self._trial else ())):
            assert outcome.ok

    def _truth(self, place: int) -> Truth:
        batch = self.batches[place]
        oracle, floor = (read_batch(batch_path(found.traces, place)) for found in (self.oracle, self.floor))
        source = read_batch(batch_path(self.source.traces, place)) if self._trial else None
        return Truth(batch.name, batch.arrays, oracle, floor, source)

    def _cached(self, name: str, taps: tuple[str, ...], *, precision: str, module: str = "") -> Outcome:
        found: list[Outcome] = []
        model = self._model

        def build(folder: Path) -> None:
            job = model.make_job(name, precision=precision, taps=taps, out=folder, inputs=self.files, module=module)
            found.append(model.wait([job]))
            if not found[0].ok:
                raise ParityError(f"the {name} failed: {found[0].reason}", remedy=found[0].stderr_tail)

        folder = reference_traces(name, model.source, digest(self.batches), taps, model.outline.head.name, build)
        job = model.make_job(name, precision=precision, taps=taps, out=folder, inputs=self.files, module=module)
        if found:
            model.times.worker(name, found[0])
        return Outcome(job, "ok", "" if found else "from the cache")


def metrics(station: Station) -> Mapping[str, float]:
    """All numbers of a deviation row, pooled: absolute ones and ratios."""
    return {**station.measure.metrics, **station.numbers}
