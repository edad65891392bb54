"""The floor as a runtime: stochastic arithmetic over the reference's stages, answered as sums (`parity.measure.floor`).

A job asks for `parity.measure.floor.names(taps)` and names this module; its settings may say `seeds`, and `restart`,
the stations at which own noise begins anew (comma separated; all taps unless said). Its precision is what the noise
is computed in: float32 with enlarged noise, or float64 to check that. Every row rolls dice of its own, seeded by what
it was fed: neither threads, nor the order of batches, nor a row's company change a bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import threadpoolctl

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.stochastic import UNIT, UNITS, StochasticOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job, check_settings
from parity.backends.reference import Reference, open_reference
from parity.errors import ParityError
from parity.families import family
from parity.measure.floor import IGNORED, JUDGED, KINDS, PARTS, REPORTED, Kind, name_of, names, tap_of
from parity.measure.places import guess_axes, places_of
from parity.ops import Ops, Stage, Tensor
from parity.tensorfile import Array
from parity.traces import read_batch, real_positions

SEEDS, MORE_SEEDS, FEW = 4, 8, 64
"""Seeds, and how many where a run has fewer real tokens than the last number."""


@dataclass(frozen=True)
class Plan:
    """What a floor job asks for."""

    taps: tuple[str, ...]
    restart: frozenset[str]
    """Stations that hand their noiseless value on in the walk for own noise."""
    seeds: int
    wanted: tuple[str, ...]
    """The arrays to answer with."""
    kinds: tuple[Kind, ...]
    """Of the noise they tell of: each is a walk."""
    axes: Mapping[str, str]
    """How the taps' axes are spelt; guessed for stages that are no taps."""


class FloorBackend:
    """The reference walked per row: with noise from the inputs on, and with noise that begins anew at every station."""

    def __init__(self, reference: Reference, plan: Plan, dtype: str, *, threads: int) -> None:
        self._reference, self._plan, self._unit, self._dtype = reference, plan, UNITS[dtype], dtype
        self._plain = NumpyOps(reference.read, np.dtype(dtype))
        self._blas = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
        self._pool = ThreadPoolExecutor(threads)
        for name in reference.variables:
            self._plain.weight(name)

    def describe(self) -> Mapping[str, str]:
        """Version of NumPy, what the noise is computed in, and how many seeds."""
        runtime = f"stochastic arithmetic, unit roundoff {self._unit}"
        return {"version": np.__version__, "precision": self._dtype, "runtime": runtime, "seeds": str(self._plan.seeds)}

    def unavailable(self) -> Mapping[str, str]:
        """Nothing: every stage has a floor."""
        return {}

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The sums of one batch."""
        inputs = self._reference.apart(inputs)
        rows = [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(len(inputs["input_ids"]))]
        answers = list(self._pool.map(self._row, rows))
        return {
            name: joined(name.rpartition("/")[2], [answer[name] for answer in answers])
            for name in self._plan.wanted
            if name in answers[0]
        }

    def _row(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for kind in self._plan.kinds:
            ops = StochasticOps(self._plain, dice_of(inputs), seeds=self._plan.seeds, unit=self._unit)
            walked = _Walked(ops, inputs, self._plan.restart if kind == "own" else frozenset())
            values = walk(
                [walked.watch(stage) for stage in self._reference.stages],
                ops,
                {name: array[None] for name, array in inputs.items()},
                self._plan.taps,
            )
            for tap, value in values.items():
                axes = self._plan.axes.get(tap) or guess_axes(tap, value.shape[1:], inputs)
                state = state_of(axes, value.shape[1:], inputs, tainted=walked.tainted(tap))
                parts = sums(value, state, UNIT / self._unit)
                found |= {name_of(kind, tap, part): array for part, array in parts.items()}
        return found

    def close(self) -> None:
        """End the threads, close the checkpoint."""
        self._pool.shutdown()
        self._blas.restore_original_limits()
        self._reference.close()


class _Walked:
    """Stages that hand on noiseless values where they shall, and remember what a degenerate norm has touched."""

    def __init__(self, ops: StochasticOps, inputs: Mapping[str, Array], restart: frozenset[str]) -> None:
        self._ops, self._restart, self._real = ops, restart, real_positions(inputs)
        self._tainted: set[str] = set()

    def watch(self, stage: Stage) -> Stage:
        def fn(ops: Ops, *values: Tensor) -> Tensor:
            given = zip(stage.needs, values, strict=True)
            anew = (value[:1] if need in self._restart and value is not None else value for need, value in given)
            result = stage.fn(ops, *anew)
            inherited = any(need in self._tainted and need not in self._restart for need in stage.needs)
            if inherited or any(self._counts(where) for where in self._ops.degenerate):
                self._tainted.add(stage.name)
            self._ops.degenerate.clear()
            return result

        return stage.with_fn(fn)

    def tainted(self, tap: str) -> bool:
        return tap in self._tainted

    def _counts(self, where: Array) -> bool:
        """Is any of these positions a real one?"""
        fits = where.shape[:2] == self._real.shape
        return bool((where[self._real] if fits else where).any())


def state_of(axes: str, shape: tuple[int, ...], inputs: Mapping[str, Array], *, tainted: bool) -> Array:
    """What becomes of each position of one row's tap: uint8, `shape` without channels."""
    places = places_of(axes, shape, inputs)
    state = np.full(shape[:-1], REPORTED if tainted else JUDGED, np.uint8)
    if places.real is not None:
        state[~places.real] = IGNORED
    if places.positions is not None:
        _, first = np.unique(places.positions, return_index=True)
        state[:, np.setdiff1d(np.arange(places.positions.size), first)] = IGNORED
    return state


def sums(value: Array, state: Array, scale: float) -> Mapping[str, Array]:
    """The parts of one tap's floor on one row; `value` [1 + seeds, 1, ..., C], `state` [1, ...].

    `spread` is not a variance yet, but every seed's sum of n^2 [seeds, C]: rows that are fed the same roll the same
    dice, as they err alike in a runtime, and their sums have to be added seed by seed.
    """
    noise = (value[1:].astype(np.float64) - value[0]) * scale
    squares: Array = np.square(noise).mean(axis=0) if len(noise) else np.zeros(value.shape[1:])
    token, judged = squares.mean(axis=-1), state == JUDGED
    chosen, each = squares[judged], token[judged][:, None]
    shares = np.divide(chosen, each, out=np.zeros_like(chosen), where=each > 0)
    seeds = np.square(noise[:, judged]).sum(axis=1)
    return dict(zip(PARTS, (chosen.sum(axis=0), shares.sum(axis=0), seeds, token, state), strict=True))


def joined(part: str, rows: Sequence[Array]) -> Array:
    """One part of a batch's floor from those of its rows."""
    if part in ("token", "state"):
        return np.concatenate(rows)
    total: Array = np.sum(rows, axis=0)
    if part != "spread":
        return total
    return total.var(axis=0, ddof=1) if len(total) > 1 else np.zeros(total.shape[-1])


def dice_of(inputs: Mapping[str, Array]) -> np.random.Generator:
    """A row's own dice, seeded by what it is fed."""
    content = hashlib.sha256()
    for name in sorted(inputs):
        content.update(f"{name}{inputs[name].dtype}{inputs[name].shape}".encode() + inputs[name].tobytes())
    return np.random.Generator(np.random.SFC64(int.from_bytes(content.digest())))


def open(job: Job) -> FloorBackend:  # noqa: A001 - the name every runtime module has
    """Open the checkpoint for a floor job.

    Raises:
        ParityError: the checkpoint or its config do not fit the job, or a setting makes no sense.
    """
    taps = tuple(dict.fromkeys(map(tap_of, job.taps)))
    check_settings(job, ("seeds", "restart"))
    seeds = job.settings.get("seeds") or str(_seeds(job))
    if not seeds.isdigit() or not int(seeds):
        raise ParityError("not a number of seeds", got=seeds, expected="1 or more")
    restart = frozenset(filter(None, job.settings.get("restart", ",".join(taps)).split(",")))
    reference = open_reference(replace(job, taps=(*taps, *restart), settings={}))
    asked = set(job.taps)
    kinds = tuple(kind for kind in KINDS if asked.intersection(names(taps, kinds=(kind,))))
    plan = Plan(taps, restart, int(seeds), job.taps, kinds, axes_of(job))
    return FloorBackend(reference, plan, job.precision, threads=job.threads)


def axes_of(job: Job) -> Mapping[str, str]:
    """Of all taps of the job's architecture; `open_reference` has found its config and head sound."""
    architecture, where = family(job.family), Path(job.source["config"])
    raw = json.loads(where.read_text(encoding="utf-8"))
    config = architecture.read_config(raw, where=where, activation=job.source.get("activation") or None)
    head = architecture.head(job.head)
    assert head is not None
    return {tap.name: tap.axes for tap in (*architecture.taps(config, head), *architecture.fine_taps(config, head))}


def _seeds(job: Job) -> int:
    tokens = sum(int(real_positions(read_batch(path, ()).inputs).sum()) for path in job.inputs)
    return SEEDS if tokens >= FEW else MORE_SEEDS
