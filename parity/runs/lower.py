"""Runtimes in a lower precision, or on weights stored in one: both questions asked of one model's run.

Storage: the oracle on the weights that the artifact ships, float32's floor and limits. Arithmetic: the same precision
emulated on these weights (`parity.measure.lower`). What the storage costs is the distance of the two oracles.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from parity.artifacts.shipped import Storage, write_shipped
from parity.backends import Runtime
from parity.backends.job import Job
from parity.backends.outcome import Outcome
from parity.backends.recipes import recipe_name
from parity.errors import ParityError
from parity.measure.lower import Lowered, lower_verdict, measure, price
from parity.measure.station import Station, Status
from parity.measure.verdict import JUDGED, Verdict
from parity.measure.yardstick import Truth, Yardstick
from parity.runs.directing import directed
from parity.traces import TraceBatch, batch_path, read_batch

if TYPE_CHECKING:
    from parity.runs.model import ModelRun


@dataclass(frozen=True, kw_only=True)
class LowerStation(Station):
    """One tap of a run in a lower precision: decided by its emulation, not by float32's rounding."""

    verdict: Verdict

    @property
    def status(self) -> Status:
        """As decided."""
        return self.verdict.status

    @property
    def value(self) -> float | None:
        """The error in units of the emulated one."""
        return self.verdict.value

    @property
    def limit(self) -> float | None:
        """Its limit."""
        return self.verdict.limit

    @property
    def message(self) -> str:
        """In words."""
        return self.verdict.message

    @property
    def numbers(self) -> dict[str, float]:
        """The ratio to the emulated error and its limit, for a deviation row."""
        named = {"emulated_ratio": self.verdict.value, "emulated_ratio_limit": self.verdict.limit}
        return {name: value for name, value in named.items() if value is not None}


class Lower:
    """The references that lower precisions are held to; everything is made when first needed.

    Args:
        model: the model in its run.
        scratch: where weights as shipped and traces lie.
    """

    def __init__(self, model: ModelRun, scratch: Path) -> None:
        self._model, self._scratch = model, scratch
        self._storages: dict[str, Storage] = {}
        self._outcomes: dict[Path, Outcome] = {}

    @staticmethod
    def concerns(row: Runtime, precision: str) -> bool:
        """Is a run of this row, which claims that precision, judged here and not by the source's oracle alone?"""
        return bool(row.options) or precision not in JUDGED

    def storage(self, row: Runtime) -> Storage:
        """How the row's artifact stores the source's weights; writes those that are not the source's.

        Raises:
            BrokenParity: the artifact does not hold the format's rounding of the source's weights.
            ParityError: it could not be built or read.
        """
        form = self._form(row)
        if form not in self._storages:
            artifact = self._model.artifact(row.kind, row.options)
            folder, source = self._weights(row), self._model.source.checkpoint
            self._storages[form] = write_shipped(artifact, folder, source=source)
        return self._storages[form]

    def judge(
        self,
        row: Runtime,
        outcome: Outcome,
        *,
        precision: str,
        places: Sequence[int] | None = None,
        taps: Collection[str] | None = None,
        own: bool = True,
    ) -> dict[str, Station]:
        """Judge a run station by station, in the order data flows.

        Args:
            row: the runtime.
            outcome: of it.
            precision: what it claims (`default`: what it describes itself to have picked).
            places: which of the run's batches it was run on; all unless said.
            taps: the stations to look at; all that it shows unless said.
            own: look at what single stations add too, which costs walks of the reference: a float32 run's own errors,
                suspected computations in a lower precision's.

        Raises:
            ParityError: a reference could not be made; BrokenParity: the artifact's weights are not the source's.
        """
        chosen = tuple(self._places if places is None else places)
        shown = [tap for tap in self._axes if tap not in outcome.unavailable and (taps is None or tap in taps)]
        yardstick = Yardstick(self._axes, [partial(self._truth, row, place) for place in self._places])
        candidate = partial(_read_at, outcome, chosen)
        judge = partial(yardstick.judge, candidate, taps=shown, batches=chosen)
        if precision in JUDGED:
            if not own:
                return judge()
            with self._model.references.steps(outcome, chosen, settings=self._settings(row)) as (walked, told):
                return judge(given=partial(_read_at, walked, chosen), own=told)
        stations, exact = judge(precision=precision), judge(precision="float32")
        recipe = recipe_name(row.name, precision)
        found = self._lowered(row, candidate, recipe, chosen) if recipe else {}
        verdicts: Mapping[str, Verdict] = {
            tap: lower_verdict(station, found.get(tap), floor=self._floor(yardstick, tap, chosen), float32=exact[tap])
            for tap, station in stations.items()
        }
        if recipe and own:
            verdicts = self._directed(row, outcome, verdicts, recipe)
        return {
            tap: LowerStation(tap, station.measure, None, None, verdict=verdicts[tap])
            for tap, station in stations.items()
        }

    def price(self, row: Runtime) -> dict[str, Lowered]:
        """What the row's storage format costs at every station; nothing where it costs nothing."""
        if not row.options or self.storage(row).exact:
            return {}
        source = partial(_read, self._model.references.oracle)
        return price(self._axes, partial(_read, self._oracle(row)), source, self._places)

    @property
    def _axes(self) -> Mapping[str, str]:
        return self._model.references.yardstick.axes

    @property
    def _places(self) -> range:
        return range(len(self._model.references.batches))

    @staticmethod
    def _floor(yardstick: Yardstick, tap: str, places: Sequence[int]) -> float:
        return yardstick.floor("accumulated", tap, places).rms if places else 0.0

    def _lowered(
        self, row: Runtime, candidate: partial[TraceBatch], recipe: str, places: Sequence[int]
    ) -> dict[str, Lowered]:
        emulated = self._run(self._emulated_job(row, recipe))
        return measure(self._axes, candidate, partial(_read, self._oracle(row)), partial(_read, emulated), places)

    def _directed(
        self, row: Runtime, outcome: Outcome, verdicts: Mapping[str, Verdict], recipe: str
    ) -> dict[str, Verdict]:
        hidden = [tap.name for tap in self._model.outline.taps if tap.station == "hidden"]
        with self._model.times.stage("directions", row.name, own=True):
            reference = self._oracle(row).job
            return directed(verdicts, outcome, reference=reference, recipe_name=recipe, hidden=hidden)

    def _truth(self, row: Runtime, place: int) -> Truth:
        references = self._model.references
        batch = references.batches[place]
        # Nobody is on trial but the candidate: the source computes on other weights.
        return Truth(batch.name, batch.arrays, _read(self._oracle(row), place), _read(references.floor, place), None)

    def _oracle(self, row: Runtime) -> Outcome:
        return self._run(self._oracle_job(row)) if row.options else self._model.references.oracle

    def _oracle_job(self, row: Runtime) -> Job:
        return self._job(row, "oracle", "float64")

    def _emulated_job(self, row: Runtime, recipe: str) -> Job:
        return self._job(row, "emulated", "float32", module="parity.backends.emulated", recipe=recipe)

    def _job(self, row: Runtime, backend: str, precision: str, *, module: str = "", recipe: str = "") -> Job:
        references = self._model.references
        return self._model.make_job(
            backend,
            precision=precision,
            taps=references.taps,
            out=self._scratch / "-".join(filter(None, [backend, recipe, self._form(row)])),
            inputs=references.files,
            settings={**self._settings(row), **({"recipe": recipe} if recipe else {})},
            module=module,
        )

    def _settings(self, row: Runtime) -> dict[str, str]:
        return {"weights": str(self._weights(row))} if row.options and self.storage(row) else {}

    def _weights(self, row: Runtime) -> Path:
        return self._scratch / f"weights-{self._form(row)}"

    @staticmethod
    def _form(row: Runtime) -> str:
        return "-".join([row.kind, *row.options.values()]) if row.options else ""

    def _run(self, job: Job) -> Outcome:
        if job.out not in self._outcomes:
            found = self._model.wait([job])
            self._model.times.worker(" ".join([job.name, *job.settings.get("recipe", "").split()]), found)
            if not found.ok:
                raise ParityError(f"{job.name} failed: {found.reason}", remedy=found.stderr_tail)
            self._outcomes[job.out] = found
        return self._outcomes[job.out]


def _read(outcome: Outcome, place: int) -> TraceBatch:
    return read_batch(batch_path(outcome.traces, place))


def _read_at(outcome: Outcome, places: tuple[int, ...], place: int) -> TraceBatch:
    return _read(outcome, places.index(place))
