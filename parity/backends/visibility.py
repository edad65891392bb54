"""What the smallest visible change of every weight is made of, as a runtime (`parity.measure.visibility`).

The reference is walked once in float32. At every stage that uses weights three things are recorded: what each weight is
multiplied by; the noise that rounding adds there (stochastic arithmetic on exact inputs); and how much of a small
change of the product, the looked-up rows or the vector the stage hands on, by walking it again with that change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import numpy as np
import threadpoolctl

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.stochastic import UNIT, UNITS, StochasticOps
from parity.backends.executors.walk import walk
from parity.backends.floor import axes_of, dice_of, state_of
from parity.backends.job import Job, check_settings
from parity.backends.reference import Reference, open_reference
from parity.errors import ParityError
from parity.families.values import Variable
from parity.measure.floor import JUDGED
from parity.measure.places import guess_axes
from parity.measure.visibility import PARTS, Kind, Use
from parity.ops import Ops, Stage, Tensor
from parity.tensorfile import Array

SEEDS: Final = 2
"""Lanes of noise: over many positions two tell the deviation well enough for coverage."""
NUDGE: Final = 2.0**-10
"""Size of the change that is walked, in units of what is changed: small enough to act linearly, large in float32."""


class Probe(NumpyOps):
    """NumPy's operations, which watch where weights are used and change one of them where it is."""

    def __init__(self, plain: NumpyOps, dice: np.random.Generator) -> None:
        super().__init__(plain.weight, np.dtype(np.float32))
        self._plain = plain
        self._dice = dice
        self._named: dict[int, tuple[str, Array]] = {}
        self._products: dict[tuple[int, str], tuple[Array, Array]] = {}
        self.found: dict[tuple[str, Kind], Array | None] = {}
        """(variable, kind of use) -> the left factor of a product, the rows that are looked up, or nothing."""
        self.transposed: set[str] = set()
        self.step = 0.0
        """Size of the change that was made; 0 if there was none."""
        self._target: tuple[str, Kind] | None = None

    def begin(self) -> None:
        """Another stage, without any change."""
        self._named.clear()
        self._products.clear()
        self.found.clear()
        self.transposed.clear()
        self._target = None

    def aim(self, use: Use) -> None:
        """From now on change this where it is used."""
        self._target, self.step = (use.variable, use.kind), 0.0

    def weight(self, name: str) -> Array:
        """The variable; remembered as such."""
        array = super().weight(name)
        self._named[id(array)] = name, array
        return array

    def gather_weight(self, name: str, ids: Array) -> Array:
        """A lookup."""
        return self._use((name, "table"), ids, super().gather_weight(name, ids))

    def slice_rows(self, x: Array, stop: int) -> Array:
        """A lookup of the first rows, where `x` is a variable."""
        rows = super().slice_rows(x, stop)
        name = self._name(x)
        if not name:
            return rows
        return self._use((name, "table"), np.arange(stop)[None], rows)

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        """A variable stays one in another shape."""
        return self._same(x, super().reshape(x, shape))

    def index(self, x: Array, position: int, *, axis: int) -> Array:
        """A variable stays one without an axis of 1."""
        taken = super().index(x, position, axis=axis)
        return self._same(x, taken) if taken.size == x.size else taken

    def _same(self, x: Array, other: Array) -> Array:
        name = self._name(x)
        if name:
            self._named[id(other)] = name, other
        return other

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        """A product, computed once for all walks of a stage."""
        name = self._name(b)
        if not name:
            return self._plain.matmul(a, b, transpose_b=transpose_b)
        key = id(a), name
        if key not in self._products:
            self._products[key] = a, self._plain.matmul(a, b, transpose_b=transpose_b)
        if transpose_b:
            self.transposed.add(name)
        return self._use((name, "product"), a, self._products[key][1])

    def add(self, a: Array, b: Array) -> Array:
        """Maybe a bias."""
        return super().add(self._vector(a, b), self._vector(b, a))

    def sub(self, a: Array, b: Array) -> Array:
        """Maybe a beta."""
        return super().sub(self._vector(a, b), self._vector(b, a))

    def mul(self, a: Array, b: Array) -> Array:
        """Maybe a gamma."""
        return super().mul(self._vector(a, b), self._vector(b, a))

    def _name(self, array: Array) -> str:
        return self._named.get(id(array), ("", None))[0]

    def _vector(self, maybe: Array, beside: Array) -> Array:
        name = self._name(maybe)
        if not name:
            return maybe
        if maybe.ndim != 1:
            raise ParityError(f"{name} is used in a way that visibility does not know", remedy="report this as a bug")
        # A vector of zeros has no size of its own.
        return self._use((name, "vector"), None, maybe, size=maybe if maybe.any() else beside)

    def _use(self, use: tuple[str, Kind], on: Array | None, values: Array, *, size: Array | None = None) -> Array:
        self.found.setdefault(use, on)
        if use != self._target:
            return values
        self.step = self.step or NUDGE * float(np.sqrt(np.mean(np.square(values if size is None else size))))
        signs = self._dice.integers(0, 2, values.shape, dtype=np.int8) * np.float32(2) - np.float32(1)
        changed: Array = values + signs * np.float32(self.step)
        return changed


class VisibilityBackend:
    """Walks the reference row by row and adds up what its weights do."""

    def __init__(self, reference: Reference, uses: Sequence[Use], job: Job) -> None:
        self._reference, self._uses, self._wanted, self._axes = reference, tuple(uses), job.taps, axes_of(job)
        self._plain = NumpyOps(reference.read, np.dtype(np.float32))
        self._blas = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
        self._pool = ThreadPoolExecutor(job.threads)
        for name in reference.variables:
            self._plain.weight(name)

    def describe(self) -> Mapping[str, str]:
        """Version of NumPy, and how many lanes of noise."""
        return {"version": np.__version__, "precision": "float32", "runtime": "visibility", "seeds": str(SEEDS)}

    def unavailable(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The sums of one batch."""
        inputs = self._reference.apart(inputs)
        rows = [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(len(inputs["input_ids"]))]
        total: dict[str, Array] = {}
        for answer in self._pool.map(self._row, rows):
            for name, array in answer.items():
                total[name] = total[name] + array if name in total else array
        return {name: total[name] for name in self._wanted}

    def _row(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        dice = dice_of(inputs)
        probe = Probe(self._plain, dice)

        def watched(stage: Stage) -> Stage:
            mine = [use for use in self._uses if use.stage == stage.name]

            def fn(_: Ops, *values: Tensor) -> Tensor:
                probe.begin()
                value = stage.fn(probe, *values)
                if mine:
                    ops = StochasticOps(self._plain, dice, seeds=SEEDS, unit=UNITS["float32"])
                    noisy = stage.fn(ops, *(given[None] for given in values))
                    axes = self._axes.get(stage.name) or guess_axes(stage.name, value.shape, inputs)
                    tainted = any(where.any() for where in ops.degenerate)
                    judged = state_of(axes, value.shape, inputs, tainted=tainted) == JUDGED
                    for use in mine:
                        probe.aim(use)
                        change = stage.fn(probe, *values).astype(np.float64) - value
                        found.update(self._sums(use, probe, change, noisy, judged))
                return value

            return stage.with_fn(fn)

        stages = [watched(stage) for stage in self._reference.stages]
        walk(stages, probe, inputs, {use.stage for use in self._uses})
        return found

    def _sums(self, use: Use, probe: Probe, change: Array, noisy: Array, judged: Array) -> dict[str, Array]:
        on = probe.found[use.variable, use.kind]
        if on is None:
            fed = np.array([judged.sum()], np.float64)
        elif use.kind == "table":
            rows = len(self._plain.weight(use.variable))
            fed = np.bincount(on[judged], minlength=rows).astype(np.float64)
        else:
            fed = np.square(on[judged], dtype=np.float64).sum(axis=0)
        noise = np.zeros(change.shape)
        if len(noisy) > 1:
            noise = np.square((noisy[1:].astype(np.float64) - noisy[0]) * (UNIT / UNITS["float32"])).mean(axis=0)
        gain = np.square(change[judged] / probe.step).sum(axis=0)
        parts = (fed, gain, noise[judged].sum(axis=0), np.array([judged.sum()], np.float64))
        return {use.part(part): array for part, array in zip(PARTS, parts, strict=True)}

    def close(self) -> None:
        """End the threads, close the checkpoint."""
        self._pool.shutdown()
        self._blas.restore_original_limits()
        self._reference.close()


def uses_of(stages: Sequence[Stage], variables: Iterable[Variable]) -> tuple[Use, ...]:
    """Which stage uses which variable, and how: found by walking one token through weights that are all zero.

    Raises:
        ParityError: a stage uses a weight in a way that is not known here.
    """
    shapes = {variable.name: variable.shape for variable in variables}
    plain = NumpyOps(lambda name: np.broadcast_to(np.float32(0), shapes[name]), np.dtype(np.float32))
    probe, found = Probe(plain, np.random.default_rng(0)), list[Use]()

    def watched(stage: Stage) -> Stage:
        def fn(_: Ops, *values: Tensor) -> Tensor:
            probe.begin()
            value = stage.fn(probe, *values)
            found.extend(
                Use(stage.name, name, kind, kind == "product" and name in probe.transposed)
                for name, kind in probe.found
            )
            return value

        return stage.with_fn(fn)

    one = np.zeros((1, 1), np.int32)
    fed = dict.fromkeys(("input_ids", "token_type_ids", "logit_positions"), one) | {"attention_mask": one + 1}
    walk([watched(stage) for stage in stages], probe, fed, {stage.name for stage in stages})
    return tuple(found)


def open(job: Job) -> VisibilityBackend:  # noqa: A001 - the name every runtime module has
    """Open the checkpoint for a visibility job, which asks for `parity.measure.visibility.names(uses)`.

    Raises:
        ParityError: the checkpoint or its config do not fit the job, or a stage uses weights in an unknown way.
    """
    check_settings(job, ())
    reference = open_reference(replace(job, taps=()))
    graph = [Variable(name, reference.checkpoint.entries[name].shape, "kernel") for name in reference.variables]
    uses = [use for use in uses_of(reference.stages, graph) if use.part(PARTS[0]) in job.taps]
    return VisibilityBackend(reference, uses, job)
