"""A segment of stages walked: exactly, altered, or with noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.backends.diagnosis.hypothesis import SigmoidGelu
from parity.backends.diagnosis.sample import Piece
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.stochastic import UNIT, UNITS, StochasticOps
from parity.backends.floor import joined, sums
from parity.measure.floor import IGNORED, JUDGED, REPORTED, Bools, FloorBatch
from parity.ops import Ops, Stage, Tensor
from parity.tensorfile import Array
from parity.traces import real_positions

SEEDS = 4
_TOGETHER = 512
"""Positions, padding included, that are walked side by side with noise: five times as many values are held."""


def run(
    stages: Sequence[Stage], ops: Any, fed: Mapping[str, Array], kept: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Values of the stages.

    Args:
        stages: in order.
        ops: the executor.
        fed: inputs and what the runtime computed, by what the stages need; a stage named here hands that value on.
        kept: values of stages that need not be computed again.
    """
    values, found = dict(fed), dict[str, Array]()
    for stage in stages:
        known = None if kept is None else kept.get(stage.name)
        found[stage.name] = stage(ops, values) if known is None else known
        values.setdefault(stage.name, found[stage.name])
    return found


def scaled(stage: Stage, factor: float) -> Stage:
    """The same stage, its value times a number."""

    def fn(ops: Ops, *values: Tensor) -> Tensor:
        value = stage.fn(ops, *values)
        # A second stream that this batch does not have.
        return None if value is None else ops.mul(value, ops.constant(factor))

    return stage.with_fn(fn)


def noisy(
    stages: Sequence[Stage], plain: NumpyOps, fed: Mapping[str, Array], piece: Piece, *, erf_slope: float | None
) -> tuple[Array, Array]:
    """What float32 rounding does to the last stage, and which rows normalise something too uniform.

    Args:
        stages: the last one is the station.
        plain: the tensors, float32.
        fed: what the stages are computed from, float32.
        piece: whose rows these are.
        erf_slope: of a GELU by way of the sigmoid.

    Returns:
        Noise of `UNITS["float32"]` behind the noiseless lane [1 + seeds, B, ..., C], and bool [B].
    """
    found, degenerate = list[Array](), np.zeros(len(piece.rows), bool)
    real = real_positions(piece.inputs)
    step = max(1, _TOGETHER // real.shape[1])
    for start in range(0, len(piece.rows), step):
        mine = slice(start, start + step)
        ops = StochasticOps(plain, np.random.Generator(np.random.SFC64(start)), seeds=SEEDS, unit=UNITS["float32"])
        executor = ops if erf_slope is None else SigmoidGelu(ops, erf_slope)
        lanes = {name: array[mine][None] for name, array in fed.items()}
        found.append(run(stages, executor, lanes)[stages[-1].name])
        for where in ops.degenerate:
            flat = where.reshape(len(where), -1)
            degenerate[mine] |= (flat & real[mine] if flat.shape == real[mine].shape else flat).any(axis=1)
    lanes_of = max(len(value) for value in found)
    return np.concatenate([np.repeat(v, lanes_of // len(v), axis=0) for v in found], axis=1), degenerate


def floor_of(value: Array, judged: Bools, tainted: Bools) -> FloorBatch:
    """The floor of a piece; `value` as `noisy` has it, `judged` over its inner axes, `tainted` per row."""
    of_rows = np.where(tainted, REPORTED, JUDGED).reshape(-1, *(1,) * (judged.ndim - 1))
    state = np.where(judged, of_rows, IGNORED).astype(np.uint8)
    parts = sums(value, state, UNIT / UNITS["float32"])
    return FloorBatch(**{part: joined(part, [array]) for part, array in parts.items()}, seeds=SEEDS)
