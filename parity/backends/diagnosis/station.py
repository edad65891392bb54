"""One guilty station: what it is computed from, how it answers to an alteration, and how that is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from parity.backends.diagnosis.hypothesis import NOTHING, AlteredOps, Hypothesis, SigmoidGelu, Watched
from parity.backends.diagnosis.original import Original
from parity.backends.diagnosis.sample import Piece, sources
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.stochastic import UNIT, UNITS, StochasticOps
from parity.backends.executors.walk import needed
from parity.families.values import Variable
from parity.measure.floor import IGNORED, JUDGED, REPORTED, Floats, Floor, FloorBatch, pool
from parity.measure.judgement import Judgement, judge
from parity.measure.limits import Groups
from parity.measure.noise import Errors
from parity.ops import Stage
from parity.tensorfile import Array
from parity.traces import INPUTS

SEEDS = 4


class Station:
    """A station with its sample, and the stages between what was traced before it and itself."""

    def __init__(self, original: Original, tap: str, pieces: Sequence[Piece], groups: Groups) -> None:
        self.original, self.tap, self.pieces, self._groups = original, tap, pieces, groups
        self._plain = {dtype: NumpyOps(original.read, np.dtype(dtype)) for dtype in UNITS}
        self.given = sources(original, tap, list(pieces[0].given))
        self.segment = self._needed(original.reference.stages)
        self.reads: dict[str, tuple[str, ...]] = {}
        """Tensors by stage."""
        self._degenerate: dict[tuple[str, int], bool] = {}
        self._base = [self._walk(piece, NOTHING, {}) for piece in pieces]

    @property
    def tensors(self) -> dict[str, Variable]:
        """What the stages of the segment read."""
        names = dict.fromkeys(name for stage in self.segment for name in self.reads[stage.name])
        known = self.original.variables
        return {name: known[name] for name in names if name in known}

    @cached_property
    def positions(self) -> int:
        """How many are judged."""
        return sum(int(piece.judged.sum()) for piece in self.pieces)

    def values(self, hypothesis: Hypothesis = NOTHING) -> list[Array]:
        """What the station would be, float64, per piece."""
        if hypothesis.passes:
            return [piece.given[hypothesis.passes].astype(np.float64) for piece in self.pieces]
        ops = self._ops(hypothesis, "float64")
        return [
            self._walk(piece, hypothesis, base, ops)[self.tap]
            for piece, base in zip(self.pieces, self._base, strict=True)
        ]

    def narrow(self, hypothesis: Hypothesis) -> list[Array]:
        """What a sound float32 run of the altered station computes, per piece."""
        ops = self._ops(hypothesis, "float32")
        return [self._walk(piece, hypothesis, {}, ops, "float32")[self.tap] for piece in self.pieces]

    @cached_property
    def floors(self) -> tuple[list[FloorBatch], Floor]:
        """Of the reference as it is."""
        return self.floors_of(NOTHING)

    def floors_of(self, hypothesis: Hypothesis) -> tuple[list[FloorBatch], Floor]:
        """What float32 rounding does to the altered station, by stochastic arithmetic on what the runtime had."""
        if hypothesis is not NOTHING:
            assert self.floors  # which finds the rows that are not judged
        found = [_together(self._floor(piece, hypothesis)) for piece in self.pieces]
        return found, pool(found)

    def judge(self, values: Sequence[Array], floors: tuple[list[FloorBatch], Floor] | None = None) -> Judgement:
        """The runtime's error against these values."""
        batches, floor = self.floors if floors is None else floors
        errors = Errors(floor)
        for piece, value, batch in zip(self.pieces, values, batches, strict=True):
            errors.add(piece.name, piece.seen, value, batch)
        return judge(floor, errors.ratios(), self._groups)

    def excess(self, judgement: Judgement) -> float:
        """Worst ratio over its limit; what cannot be judged is infinitely far."""
        if judgement.status == "pass" and not judgement.findings:
            return 0.0
        return judgement.excess if np.isfinite(judgement.excess) else np.inf

    def white(self, values: Sequence[Array], other: Sequence[Array] | None = None) -> Floats:
        """`values` less `other` (what the runtime has, less `values`, unless said) in floors: [judged positions, C]."""
        batches, floor = self.floors
        rows = []
        for number, (piece, value, batch) in enumerate(zip(self.pieces, values, batches, strict=True)):
            error = piece.seen.astype(np.float64) - value if other is None else value - other[number]
            places = floor.places(batch.token[piece.judged])[:, None]
            rows.append(error[piece.judged] / np.where(places > 0, places, 1.0))
        found = np.concatenate(rows)
        weights: Floats = np.sqrt(floor.weights(found.shape[1])) if floor.rms > 0 else np.ones(found.shape[1])
        return found * weights

    def dirty(self, hypothesis: Hypothesis, inputs: Mapping[str, Array]) -> set[str]:
        """Stages of the segment whose values an alteration may move."""
        found = set[str]()
        for stage in self.segment:
            changed = hypothesis.elsewhere or stage.name in hypothesis.scale
            changed |= any(name in hypothesis.weights for name in self.reads[stage.name])
            if changed or any(need in found or need.removeprefix(INPUTS) in inputs for need in stage.needs):
                found.add(stage.name)
        return found

    def alone(self, inputs: Mapping[str, Array]) -> Array:
        """The station on other inputs, where it is computed from nothing else."""
        values: dict[str, Array] = {INPUTS + name: array for name, array in inputs.items()}
        for stage in self.segment:
            values[stage.name] = stage.fn(self._plain["float64"], *(values[need] for need in stage.needs))
        return values[self.tap]

    def emulated(self, ops: Any) -> list[Array]:
        """The station as another executor computes it, per piece."""
        found = []
        for piece in self.pieces:
            values: dict[str, Any] = {INPUTS + name: array for name, array in piece.inputs.items()}
            values |= {name: piece.given[name].astype(np.float64) for name in self.given}
            for stage in self.segment:
                values.setdefault(stage.name, stage.fn(ops, *(values[need] for need in stage.needs)))
            found.append(values[self.tap])
        return found

    def _needed(self, stages: Sequence[Stage]) -> list[Stage]:
        return needed(stages, [self.tap], given=self.given)

    def _ops(self, hypothesis: Hypothesis, dtype: str) -> Any:
        plain = self._plain[dtype]
        if not hypothesis.weights:
            return plain
        return AlteredOps(plain, self.original.read, hypothesis.weights, dtype)

    def _walk(
        self, piece: Piece, hypothesis: Hypothesis, base: Mapping[str, Array], ops: Any = None, dtype: str = "float64"
    ) -> dict[str, Array]:
        """Values of the segment's stages; those that the alteration cannot move are taken from `base`."""
        changed = dict(hypothesis.inputs(piece.inputs)) if hypothesis.inputs else {}
        values: dict[str, Array] = {INPUTS + name: array for name, array in {**piece.inputs, **changed}.items()}
        values |= {name: piece.given[name].astype(dtype) for name in self.given}
        first = not base
        moved = {stage.name for stage in self.segment} if first else self.dirty(hypothesis, changed)
        executor = ops if ops is not None else self._plain["float64"]
        if hypothesis.erf_slope is not None:
            executor = SigmoidGelu(executor, hypothesis.erf_slope)
        kept: dict[str, Array] = {}
        stages = self._needed(self.original.stages(hypothesis.config)) if hypothesis.config else self.segment
        for stage in stages:
            if stage.name not in moved:
                kept[stage.name] = base[stage.name]
            else:
                watched = Watched(executor)
                kept[stage.name] = stage.fn(watched, *(values[need] for need in stage.needs))
                if first:
                    self.reads.setdefault(stage.name, tuple(dict.fromkeys(watched.seen)))
                if stage.name in hypothesis.scale:
                    kept[stage.name] = executor.mul(kept[stage.name], executor.constant(hypothesis.scale[stage.name]))
            values.setdefault(stage.name, kept[stage.name])
        return kept

    def _floor(self, piece: Piece, hypothesis: Hypothesis) -> list[FloorBatch]:
        """Row by row: noise and degenerate norms are a row's own."""
        if hypothesis.passes:
            return [
                _batch(np.zeros((1, *piece.seen[:1].shape)), piece.judged[i], False) for i in range(len(piece.rows))
            ]
        found = []
        changed = dict(hypothesis.inputs(piece.inputs)) if hypothesis.inputs else {}
        plain = self._ops(hypothesis, "float32")
        stages = self._needed(self.original.stages(hypothesis.config))
        for row in range(len(piece.rows)):
            ops = StochasticOps(plain, np.random.Generator(np.random.SFC64(row)), seeds=SEEDS, unit=UNITS["float32"])
            executor: Any = ops if hypothesis.erf_slope is None else SigmoidGelu(ops, hypothesis.erf_slope)
            fed = {**piece.inputs, **changed}
            values = {INPUTS + name: array[row : row + 1][None] for name, array in fed.items()}
            values |= {name: piece.given[name][row : row + 1].astype(np.float32)[None] for name in self.given}
            for stage in stages:
                value = stage.fn(executor, *(values[need] for need in stage.needs))
                if stage.name in hypothesis.scale:
                    value = ops.mul(value, ops.constant(hypothesis.scale[stage.name]))
                values.setdefault(stage.name, value)
            if hypothesis is NOTHING:
                # Under another epsilon as under the reference's: the same rows are judged.
                self._degenerate[piece.name, piece.rows[row]] = _degenerate(ops, piece, row)
            tainted = self._degenerate[piece.name, piece.rows[row]]
            found.append(_batch(value, piece.judged[row], tainted))
        return found


def _together(rows: Sequence[FloorBatch]) -> FloorBatch:
    """The floors of rows as that of their batch."""
    channel, white = (np.sum([getattr(row, part) for row in rows], axis=0) for part in ("channel", "white"))
    token, state = (np.concatenate([getattr(row, part) for row in rows]) for part in ("token", "state"))
    return FloorBatch(channel, white, token, state, SEEDS)


def _degenerate(ops: StochasticOps, piece: Piece, row: int) -> bool:
    """Did the walk over this row normalise something too uniform at a real position?"""
    mask = piece.inputs.get("attention_mask")
    for where in ops.degenerate:
        fits = mask is not None and where.shape[:2] == (1, mask.shape[1])
        if where[mask[row : row + 1] == 1].any() if mask is not None and fits else where.any():
            return True
    return False


def _batch(value: Array, judged: Array, tainted: bool) -> FloorBatch:
    """One row's floor; `value` [1 + seeds, 1, ..., C], `judged` over its inner axes."""
    scale = UNIT / UNITS["float32"]
    noise = (value[1:].astype(np.float64) - value[0]) * scale
    squares: Array = np.square(noise).mean(axis=0) if len(noise) else np.zeros(value.shape[1:])
    state = np.where(judged, REPORTED if tainted else JUDGED, IGNORED).astype(np.uint8)[None]
    token, chosen = squares.mean(axis=-1), state == JUDGED
    each = token[chosen][:, None]
    shares = np.divide(squares[chosen], each, out=np.zeros_like(squares[chosen]), where=each > 0)
    return FloorBatch(squares[chosen].sum(axis=0), shares.sum(axis=0), token, state, SEEDS)
