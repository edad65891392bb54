from __future__ import annotations

import math

import numpy as np
import pytest

from parity.measure.floor import IGNORED, FloorBatch
from parity.measure.invariance import TWO_RUNS, Pair, Sameness, compare

RNG = np.random.default_rng(1)
ROWS, LENGTH, CHANNELS, FLOOR = 8, 12, 16, 1e-6
SHAPE = (ROWS, LENGTH, CHANNELS)


def floor(size: float = FLOOR) -> FloorBatch:
    state = np.ones((ROWS, LENGTH), np.uint8)
    state[:, 10:] = IGNORED
    token = np.full((ROWS, LENGTH), size**2)
    chosen = int((state == 1).sum())
    channel = np.full(CHANNELS, chosen * size**2)
    return FloorBatch(channel, np.full(CHANNELS, float(chosen)), np.zeros(CHANNELS), token, state, 4)


def two_runs(size: float, *, alike: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Float64 answers with errors of `size` floors each, correlated by `alike`."""
    truth = RNG.normal(size=SHAPE)
    common, first, second = (RNG.normal(size=SHAPE) * size * FLOOR for _ in range(3))
    share, rest = math.sqrt(abs(alike)), math.sqrt(1 - abs(alike))
    return truth + share * common + rest * first, truth + math.copysign(share, alike) * common + rest * second


def station(usual: np.ndarray, other: np.ndarray, noise: FloorBatch | None = None) -> Sameness:
    (found,) = compare({"layer.0": [Pair("batch", usual, other, noise or floor())]})
    return found


def test_two_sound_runs_pass_and_their_ratio_is_theirs() -> None:
    found = station(*two_runs(1.0))
    assert found.holds
    assert found.ratio == pytest.approx(math.sqrt(2), rel=0.1)
    assert found.unequal == ROWS * 10 * CHANNELS


def test_both_at_their_limit_in_independent_directions_is_the_bound() -> None:
    limit = station(*two_runs(1.0)).limit
    assert station(*two_runs(0.9 * limit / TWO_RUNS)).ratio < limit
    assert not station(*two_runs(1.2 * limit / TWO_RUNS)).holds


def test_one_row_that_answers_otherwise_is_red() -> None:
    usual, other = two_runs(0.5)
    other[3] += 30 * FLOOR
    found = station(usual, other)
    assert not found.holds
    assert found.worst is not None


def test_bit_equal_is_told_and_padding_does_not_count() -> None:
    usual, _ = two_runs(1.0)
    other = usual.copy()
    other[:, 10:] = np.nan
    found = station(usual, other)
    assert (found.unequal, found.ratio, found.holds) == (0, 0.0, True)


@pytest.mark.parametrize("side", [0, 1])
def test_nan_is_red_on_either_side_and_on_both(side: int) -> None:
    pair = [array.copy() for array in two_runs(1.0)]
    pair[side][2, 3, 4] = np.nan
    assert "NaN" in station(*pair).problem
    both = pair[side].copy()
    assert not station(both, both.copy()).holds


def test_where_nothing_is_rounded_a_bit_is_red() -> None:
    usual = RNG.normal(size=SHAPE).astype(np.float32)
    other = usual.copy()
    other[0, 0, 0] = np.nextafter(other[0, 0, 0], np.float32(9))
    assert station(usual, usual.copy(), floor(0.0)).holds
    assert "no rounding happens here" in station(usual, other, floor(0.0)).problem


def test_another_dtype_and_nothing_at_all_are_red() -> None:
    usual, other = two_runs(0.1)
    assert "float32 in place of float64" in station(usual, other.astype(np.float32)).problem
    (empty,) = compare({"layer.0": []})
    assert not empty.holds
    nothing, nowhere = np.zeros(CHANNELS), np.zeros((ROWS, LENGTH))
    nobody = FloorBatch(nothing, nothing, nothing, nowhere, nowhere.astype(np.uint8), 4)
    assert station(usual, usual, nobody).problem == "no position was judged"
