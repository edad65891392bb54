"""`parity compare`: traces against a base trace, tap by tap, with nothing passing silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from parity.errors import ParityError
from parity.measure.aligned import files, input_trouble
from parity.measure.places import guess_axes, places_of
from parity.measure.result import CandidateResult, Comparison, TapResult
from parity.measure.station import Station
from parity.measure.tap import TapMeasure
from parity.measure.verdict import Status, Verdict, check_bounds, judge, judge_bounds
from parity.measure.yardstick import Truth, Yardstick
from parity.traces import TraceBatch, read_batch

Parties = dict[str, TraceBatch | None]


def compare_traces(
    base: Path,
    candidates: Sequence[Path],
    *,
    oracle: Path | None = None,
    floor: Path | None = None,
    given: Sequence[Path] = (),
    bounds: Mapping[str, float] | None = None,
    axes: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare candidates with the source's own float32 run.

    Args:
        base: trace of the source's float32 run; its batches and taps are what every candidate must have.
        candidates: traces to judge.
        oracle: trace of the float64 reference; without it only completeness, finite values, shape and dtype are judged.
        floor: trace of what float32 rounding does; with it and the oracle, errors are judged in units of that, not by
            the plain ratio to the source's error.
        given: per candidate, the oracle's steps on its own inputs to them: own errors are then judged as well.
        bounds: metric name to bound on the pooled metric (`parity.measure.verdict.BOUNDS`).
        axes: how the axes of a tap are spelt, such as `BTC`; guessed from the shape for taps not named.

    Raises:
        ParityError: a trace cannot be read, or a bound makes no sense.
    """
    check_bounds(bounds or {})
    if floor is not None and oracle is None:
        raise ParityError("a floor judges errors against an oracle", remedy="give --oracle too")
    if given and (floor is None or len(given) != len(candidates)):
        what = "own errors want a floor, and the oracle's steps of every candidate"
        raise ParityError(what, got=len(given), expected=len(candidates), remedy="mend --floor and --given")
    judged = []
    for place, folder in enumerate(candidates):
        walked = _Candidate(folder, axes or {}).walk(base, oracle)
        if floor is not None and oracle is not None and not walked.problems:
            walked.stations = by_floor(base, folder, oracle, floor, given[place] if given else None, walked.spelt)
        judged.append(walked.result(bounds or {}))
    return Comparison(str(base), str(oracle) if oracle else None, tuple(judged))


@dataclass
class _Candidate:
    """The books of one candidate while its batches are walked."""

    folder: Path
    axes: Mapping[str, str]
    taps: dict[str, TapMeasure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)
    label: str = ""
    precision: str | None = None
    expected: int = 0
    done: int = 0
    skipped: int = 0
    spelt: dict[str, str] = field(default_factory=dict)
    """How the axes of every tap that was compared are spelt."""
    stations: Mapping[str, Station] = field(default_factory=dict)
    """Judged by a floor, where there is one."""

    def walk(self, base: Path, oracle: Path | None) -> _Candidate:
        """Take in all batches; one of each trace is mapped at a time."""
        ours, theirs = files(base), files(self.folder)
        truths = files(oracle) if oracle else None
        for whose, have in (("candidate", theirs), ("oracle", truths or {})):
            self.problems += [
                f"the {whose} has {name}, the base does not" for name in sorted(have.keys() - ours.keys())
            ]
        for name, path in ours.items():
            parties: Parties = {"base": read_batch(path)}
            parties["candidate"] = read_batch(theirs[name]) if name in theirs else None
            if truths is not None:
                parties["oracle"] = read_batch(truths[name]) if name in truths else None
            self._batch(path.stem, parties)
        return self

    def _batch(self, name: str, parties: Parties) -> None:
        self._read_claims(parties["candidate"])
        present = {whose: batch for whose, batch in parties.items() if batch is not None}
        trouble = self._trouble(parties)
        if trouble:
            self.problems.append(f"batch {name}: {trouble}")
        self.skips += [f"batch {name}: {batch.skipped} ({whose})" for whose, batch in present.items() if batch.skipped]
        wanted = dict.fromkeys(
            tap for whose in ("base", "candidate") if whose in present for tap in present[whose].taps
        )
        for tap in wanted:
            measure = self.taps.setdefault(tap, TapMeasure(tap, precision=self.precision or "float32"))
            self.expected += 1
            lacking = {whose: _declared(tap, batch) for whose, batch in present.items() if tap not in batch.taps}
            silent = [whose for whose, reason in lacking.items() if not reason]
            if trouble:
                measure.refuse(name, trouble)
            elif silent:
                measure.refuse(name, f"the {' and the '.join(silent)} does not have this tap, and gives no reason")
            elif lacking:
                measure.skip(name, "; ".join(f"{reason} ({whose})" for whose, reason in lacking.items()))
                self.skipped += 1
            else:
                self._measure(measure, name, present)

    def _measure(self, measure: TapMeasure, name: str, batches: Mapping[str, TraceBatch]) -> None:
        inputs = batches["base"].inputs
        arrays = {whose: batch.taps[measure.name] for whose, batch in batches.items()}
        source = arrays["base"]
        try:
            axes = self.axes.get(measure.name) or guess_axes(measure.name, source.shape, inputs)
            where = places_of(axes, source.shape, inputs)
            self.spelt[measure.name] = axes
        except ParityError as error:
            measure.refuse(name, str(error))
            return
        row = measure.update(
            arrays["candidate"], source, arrays.get("oracle"), batch=name, real=where.real, positions=where.positions
        )
        self.done += row is not None

    def _read_claims(self, candidate: TraceBatch | None) -> None:
        if candidate is not None and self.precision is None:
            self.precision = str(candidate.meta.get("precision", "float32"))
            self.label = ":".join(str(candidate.meta[key]) for key in ("backend", "variant") if candidate.meta.get(key))

    def _trouble(self, parties: Parties) -> str | None:
        """Why nothing of this batch may be compared."""
        base = parties["base"]
        assert base is not None  # the base's own files are what is walked
        for whose, batch in parties.items():
            if batch is None:
                return f"the {whose} does not have this batch"
            if batch.skipped and batch.taps:
                return f"the {whose} declares the batch skipped, yet has taps of it"
            if whose == "candidate" and str(batch.meta.get("precision", "float32")) != self.precision:
                return f"claims {batch.meta.get('precision')}, other batches {self.precision}"
            differs = input_trouble(base, batch)
            if differs:
                return f"the {whose} {differs}"
        return None

    def result(self, bounds: Mapping[str, float]) -> CandidateResult:
        """Close the books."""
        problems = self.problems if self.done else [*self.problems, "no comparison was made at all"]
        taps = tuple(
            TapResult(
                name,
                _verdict(tap, bounds, self.stations.get(name)),
                {**tap.metrics, **(self.stations[name].numbers if name in self.stations else {})},
                tuple(tap.batches),
                tap.worst,
                tuple(tap.skips),
            )
            for name, tap in self.taps.items()
        )
        return CandidateResult(
            name=str(self.folder),
            label=self.label,
            precision=self.precision or "",
            taps=taps,
            problems=tuple(problems),
            skips=tuple(self.skips),
            expected=self.expected,
            done=self.done,
            skipped=self.skipped,
        )


def _declared(tap: str, batch: TraceBatch) -> str | None:
    """The reason a trace itself gives for not having this tap; None if it gives none."""
    return batch.skipped or batch.unavailable.get(tap)


def by_floor(
    base: Path, candidate: Path, oracle: Path, floor: Path, given: Path | None, axes: Mapping[str, str]
) -> Mapping[str, Station]:
    """Judge one candidate by the floor, at every tap that it, the oracle and the base have.

    Raises:
        ParityError: oracle, floor or steps lack a batch of the base, or the floor lacks a tap.
    """
    ours = files(base)
    traces = {"oracle": files(oracle), "floor": files(floor), "candidate": files(candidate)}
    if given is not None:
        traces["steps"] = files(given)
    for whose, have in traces.items():
        if have.keys() != ours.keys():
            raise ParityError(f"the {whose} has other batches than the base", got=len(have), expected=len(ours))
    order = list(ours)

    def truth(name: str) -> Truth:
        source = read_batch(ours[name])
        oracle, floor = read_batch(traces["oracle"][name]), read_batch(traces["floor"][name])
        return Truth(name.removesuffix(".safetensors"), source.inputs, oracle, floor, source)

    yardstick = Yardstick(axes, [partial(truth, name) for name in order])
    claimed = str(read_batch(traces["candidate"][order[0]], ()).meta.get("precision", "float32"))
    return yardstick.judge(
        lambda place: read_batch(traces["candidate"][order[place]]),
        given=None if given is None else (lambda place: read_batch(traces["steps"][order[place]])),
        precision=claimed,
    )


def _verdict(tap: TapMeasure, bounds: Mapping[str, float], station: Station | None) -> Verdict:
    """The rule's verdict; a bound decides where the rule has nothing against it."""
    verdict = judge(tap)
    if station is not None:
        status: Status = "fail" if station.status == "unjudged" else station.status
        unjudged = "unjudged: " if station.status == "unjudged" else ""
        verdict = Verdict(status, station.value, station.limit, unjudged + station.message)
    bound = judge_bounds(tap.metrics, bounds) if verdict.status in ("pass", "report") else None
    return bound or verdict
