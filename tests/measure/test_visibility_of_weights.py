from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.measure.limits import CHANNEL_FREEDOM, limit
from parity.measure.visibility import BITS, PARTS, Sight, Use, names, pool, seen
from parity.traces import TraceBatch

USE = Use("layer.0", "w", "product")


def trace(**parts: object) -> TraceBatch:
    given = {"input": [4.0, 16.0, 0.0], "gain": [100.0, 0.0], "noise": [1e-10, 1e-10], "positions": [100.0]} | parts
    return TraceBatch({USE.part(part): np.array(given[part], np.float64) for part in PARTS}, {})


def test_the_smallest_visible_change_is_limit_times_floor_over_input() -> None:
    (sight,) = pool([USE], [trace(), trace()])
    expected = limit(2, CHANNEL_FREEDOM, seeds=4) * 1e-6 / 0.2
    assert sight.smallest()[0, 0] == pytest.approx(expected)
    assert sight.smallest()[1, 0] == pytest.approx(expected / 2)
    assert np.isinf(sight.smallest()[2]).all()
    assert np.isinf(sight.smallest()[:, 1]).all()


def test_too_few_positions_show_nothing() -> None:
    (sight,) = pool([USE], [trace(positions=[7.0])])
    assert np.isinf(sight.smallest()).all()
    assert seen(sight, np.ones((3, 2), np.float32)).median_bit is None


def test_dead_channels_are_clamped_and_exact_ones_show_everything() -> None:
    (dead,) = pool([Use("layer.0", "w", "product")], [trace(gain=[100.0, 100.0], noise=[1e-10, 1e-30])])
    assert dead.bounds[1] >= dead.bounds[0] / 17
    (exact,) = pool([USE], [trace(noise=[0.0, 0.0])])
    told = seen(exact, np.ones((3, 2), np.float32))
    assert told.bits[20] == pytest.approx(2 / 6)
    assert told.untouched == 4


@given(st.integers(0, 2**31), st.booleans())
def test_bits_are_counted_as_one_by_one(seed: int, transposed: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, width = rng.integers(1, 6, 2)
    inputs = rng.lognormal(0, 3, rows) * rng.integers(0, 2, rows)
    gains = rng.lognormal(0, 1, width) * rng.integers(0, 2, width)
    sight = Sight(Use("s", "w", "product", transposed), inputs, gains, rng.lognormal(-9, 3, width), 99)
    weights = (rng.normal(size=(rows, width)) * rng.integers(0, 2, (rows, width))).astype(np.float32)
    told = seen(sight, weights.T if transposed else weights)
    nonzero = weights != 0
    changes = sight.smallest()
    for bit in BITS:
        visible = nonzero & (np.abs(weights.astype(np.float64)) * 2.0 ** (1 - bit) >= changes)
        assert told.bits[bit] == pytest.approx(visible.sum() / max(nonzero.sum(), 1))
    assert told.zeros == (~nonzero).sum()
    assert told.untouched == np.isinf(changes).sum()
    halves = [bit for bit in range(1, 65) if _share(weights, changes, bit) >= 0.5]
    assert told.median_bit == (max(halves) if halves else None)


def _share(weights: np.ndarray, changes: np.ndarray, bit: int) -> float:
    nonzero = weights != 0
    visible = nonzero & (np.abs(weights.astype(np.float64)) * math.ldexp(1, 1 - bit) >= changes)
    return visible.sum() / max(nonzero.sum(), 1)


def test_vectors_and_tables_are_matrices_of_one_kind() -> None:
    assert Use("s", "b", "vector").matrix(np.zeros(5)).shape == (1, 5)
    assert Use("s", "t", "table").matrix(np.zeros((7, 5))).shape == (7, 5)
    assert Use("s", "w", "product", transposed=True).matrix(np.zeros((7, 5))).shape == (5, 7)
    assert names([Use("s", "a/b", "vector")])[0] == "visible/s/a/b/input"


def test_what_does_not_fit_is_refused() -> None:
    (sight,) = pool([USE], [trace()])
    with pytest.raises(ParityError, match="another shape"):
        seen(sight, np.ones((2, 3), np.float32))
    with pytest.raises(ParityError, match="lacks"):
        pool([Use("layer.1", "w", "product")], [trace()])
    with pytest.raises(ParityError, match="without batches"):
        pool([USE], [])
