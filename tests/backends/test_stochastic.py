"""Stochastic arithmetic: each operation's noise is the table's, what is exact stays exact."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.stochastic import UNITS, StochasticOps, growth
from parity.ops import Ops
from parity.tensorfile import Array

RNG = np.random.default_rng(3)
SEEDS = 2000
U = 2.0**-24


def ops(seeds: int = SEEDS, dtype: str = "float64", **weights: Array) -> StochasticOps:
    plain = NumpyOps(weights.__getitem__, np.dtype(dtype))
    return StochasticOps(plain, np.random.default_rng(1), seeds=seeds, unit=UNITS[dtype])


def lifted(*shape: int) -> Array:
    return RNG.normal(0.3, 1, shape).astype(np.float32).astype(np.float64)[None]


def deviation(value: Array) -> Array:
    """Standard deviation over seeds, in units of the unit roundoff."""
    return np.sqrt(np.mean((value[1:] - value[0]) ** 2, axis=0)) / U


# -- each operation's own noise -------------------------------------------------------------------------------------

X, Y = lifted(5, 6), lifted(5, 6)
ONE_ROUNDING: dict[str, Callable[[Ops], Array]] = {
    "add": lambda ops: ops.add(X, Y),
    "sub": lambda ops: ops.sub(X, Y),
    "mul": lambda ops: ops.mul(X, Y),
    "div": lambda ops: ops.div(X, Y),
    "square": lambda ops: ops.square(X),
}
LIBRARY: dict[str, Callable[[Ops], Array]] = {
    "erf": lambda ops: ops.erf(X),
    "tanh": lambda ops: ops.tanh(X),
    "rsqrt": lambda ops: ops.rsqrt(np.abs(X)),
}


@pytest.mark.parametrize("name", ONE_ROUNDING)
def test_one_rounding(name: str) -> None:
    value = ONE_ROUNDING[name](ops())
    np.testing.assert_allclose(deviation(value), 0.42 * np.abs(value[0]), rtol=1e-6)
    assert abs((value[1:] - value[0]).mean()) < 0.1 * np.abs(value[1:] - value[0]).mean()


@pytest.mark.parametrize("name", LIBRARY)
def test_a_library_function(name: str) -> None:
    value = LIBRARY[name](ops())
    np.testing.assert_allclose(deviation(value), 3 * np.abs(value[0]), rtol=1e-6)


@pytest.mark.parametrize("terms", [2, 64, 512, 1536, 16384])
def test_a_sum_of_products(terms: int) -> None:
    a, b = RNG.normal(0.1, 1, (1, 3, terms)), RNG.normal(0.1, 1, (1, terms, 4))
    a_k, b_k = (terms, terms) if terms <= 512 else (512 + terms / 512, 512**2 / terms + terms / 512)
    squares = np.einsum("ik,kj->ij", a[0] ** 2, b[0] ** 2)
    expected = 0.42 * np.sqrt(a_k / 2 * squares + b_k / 3 * (a[0] @ b[0]) ** 2)
    few = ops(seeds=8)
    np.testing.assert_allclose(deviation(few.matmul(a, b)), expected, rtol=1e-6)
    swapped = few.matmul(a, np.swapaxes(b, 1, 2), transpose_b=True)
    np.testing.assert_allclose(deviation(swapped), expected, rtol=1e-6)
    batched = few.matmul(a[:, None], b[:, None])
    np.testing.assert_allclose(deviation(batched)[0], expected, rtol=1e-6)
    of_weight = few.matmul(a[:, None], b)
    np.testing.assert_allclose(deviation(of_weight)[0], expected, rtol=1e-6)


def test_a_wide_weight_is_squared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = lifted(3, 16), lifted(16, 10)
    whole = ops(seeds=4).matmul(a, b)
    monkeypatch.setattr("parity.backends.executors.stochastic._CACHE", 40)
    np.testing.assert_array_equal(ops(seeds=4).matmul(a, b), whole)


def test_blocks_begin_where_one_block_ends() -> None:
    assert growth(512) == (512, 512)
    np.testing.assert_allclose(growth(513), (513, 512), rtol=2e-3)


@given(st.integers(1, 10**6))
def test_more_terms_never_round_less_often_and_blocks_only_help(terms: int) -> None:
    (a, b), (more, _) = growth(terms), growth(terms + 1)
    assert more >= a
    assert a <= terms + 1
    assert b <= terms + 1


def test_a_mean_is_a_sum_divided() -> None:
    x = lifted(4, 48)
    total = x[0].sum(axis=-1, keepdims=True)
    squares = (x[0] ** 2).sum(axis=-1, keepdims=True)
    expected = 0.42 * np.sqrt(48 / 2 * squares + 48 / 3 * total**2) / 48
    np.testing.assert_allclose(deviation(ops(seeds=8).mean(x, axis=-1)), expected, rtol=1e-6)


def test_softmax_has_the_noise_of_its_four_steps() -> None:
    x = lifted(2, 7)
    y = np.exp(x[0] - x[0].max(axis=-1, keepdims=True))
    p = y / y.sum(axis=-1, keepdims=True)
    total = y.sum(axis=-1, keepdims=True)
    # Relative variances: x - max, exp, and the quotient by themselves; the sum over all terms in common.
    each = (0.42 * (x[0] - x[0].max(axis=-1, keepdims=True))) ** 2 + 9
    of_sum = 0.42**2 * (7 / 2 * (y**2).sum(axis=-1, keepdims=True) / total**2 + 7 / 3)
    through = (p**2 * each).sum(axis=-1, keepdims=True)
    expected = p * np.sqrt((1 - 2 * p) * each + through + of_sum + 0.42**2)
    np.testing.assert_allclose(deviation(ops().softmax(x)), expected, rtol=0.06)


def test_noise_is_independent_between_seeds_values_and_operations() -> None:
    some = ops(seeds=64)
    first, second = some.add(X, Y), some.add(X, Y)
    signs = np.sign(np.concatenate([first[1:] - first[0], second[1:] - second[0]]).reshape(128, -1))
    for table in (signs, signs.T):
        off = (table @ table.T / table.shape[1])[~np.eye(len(table), dtype=bool)]
        assert np.abs(off.mean()) < 0.02
        assert np.abs(off).max() < 0.75 if table is signs else np.abs(off).max() < 0.45


def test_noise_goes_through_later_operations() -> None:
    rough = ops()
    summed = rough.add(X, Y)
    np.testing.assert_allclose(deviation(rough.mul(summed, np.full((1, 1), 4.0))), 4 * deviation(summed), rtol=1e-9)
    twice = rough.mul(summed, Y)
    np.testing.assert_allclose(deviation(twice), math.sqrt(2) * 0.42 * np.abs(twice[0]), rtol=0.1)
    np.testing.assert_allclose(deviation(rough.sub(summed, summed)), 0, atol=0)


# -- what is exact --------------------------------------------------------------------------------------------------


def test_what_float32_loses_nothing_at_has_no_lanes() -> None:
    table = RNG.normal(size=(9, 4)).astype(np.float16).astype(np.float32)
    other = table[::-1].copy()
    some = ops(seeds=3, dtype="float32", table=table, other=other, long=RNG.normal(size=(9, 4)).astype(np.float32))
    ids = np.array([[[1, 2, 8]]])
    rows = some.gather_weight("table", ids)
    mask = some.cast(np.array([[[1, 0, 1]]]))
    exact = {
        "lookup": rows,
        "reshape": some.reshape(rows, (3, 4)),
        "transpose": some.transpose(rows, (0, 2, 1)),
        "expand": some.expand(rows, axis=1),
        "index": some.index(rows, 0, axis=1),
        "select": some.take_positions(rows, np.array([[[2, 0]]])),
        "slice": some.slice_rows(some.weight("table"), 2),
        "maximum": some.maximum(rows, 0.0),
        "power of two": some.mul(rows, some.constant(-0.25)),
        "quotient by one": some.div(rows, some.constant(8.0)),
        "sum of what was born in half precision": some.add(rows, some.gather_weight("other", ids)),
        "mask": some.mul(some.sub(some.constant(1.0), mask), some.constant(-10000.0)),
        "square root of 1024": some.mul(rows, some.constant(32.0)),
    }
    assert {name: len(value) for name, value in exact.items()} == dict.fromkeys(exact, 1)
    assert len(some.add(rows, some.gather_weight("long", ids))) == 4
    assert len(some.mul(rows, some.constant(0.1))) == 4
    assert len(some.div(some.constant(2.0), rows)) == 4


def test_shapes_are_those_without_lanes() -> None:
    some = ops(seeds=3)
    x = some.add(lifted(2, 3, 4), lifted(2, 3, 4))
    assert x.shape == (4, 2, 3, 4)
    assert some.shape(x) == (2, 3, 4)
    assert some.reshape(x, (6, -1)).shape == (4, 6, 4)
    assert some.transpose(x, (2, 0, -2)).shape == (4, 4, 2, 3)
    assert some.expand(x, axis=-1).shape == (4, 2, 3, 4, 1)
    assert some.index(x, 1, axis=1).shape == (4, 2, 4)
    assert some.mean(x, axis=0).shape == (4, 1, 3, 4)
    assert some.softmax(x, axis=1).shape == (4, 2, 3, 4)
    picked = some.take_positions(x, np.array([[[2, 0], [1, 1]]]))
    np.testing.assert_array_equal(picked[:, 0, 0], x[:, 0, 2])
    # A vector of a noisy row and an exact matrix meet behind the lanes, whichever has more axes.
    assert some.add(some.index(x, 0, axis=0), lifted(2, 3, 4)).shape == (4, 2, 3, 4)
    assert some.matmul(x, some.add(lifted(4, 5), lifted(4, 5))).shape == (4, 2, 3, 5)


@pytest.mark.parametrize(
    ("row", "flagged"),
    [
        (np.full(16, 1.7), True),
        (1.7 + 1e-4 * RNG.normal(size=16), True),
        (1e-5 * RNG.normal(size=16), True),
        (RNG.normal(size=16), False),
        (1e-3 * RNG.normal(size=16), False),
        (1.7 + 0.05 * RNG.normal(size=16), False),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_of_uniform_rows_are_noticed(row: Array, flagged: bool, dtype: str) -> None:
    some = ops(seeds=2, dtype=dtype)
    x = np.stack([row, RNG.normal(size=16)]).astype(dtype)[None, None]
    mean = some.mean(x, axis=-1)
    variance = some.mean(some.square(some.sub(x, mean)), axis=-1)
    some.rsqrt(some.add(variance, some.constant(1e-12)))
    (where,) = some.degenerate
    np.testing.assert_array_equal(where[0, :, 0], [flagged, False])


@pytest.mark.parametrize(("deviation", "flagged"), [(0.05, False), (1e-3, False), (1e-5, True)])
def test_a_large_epsilon_takes_no_ordinary_row_for_uniform(deviation: float, flagged: bool) -> None:
    """GPT-2's 1e-5: its embeddings' variance is about a thousand times that."""
    some = ops(seeds=2, dtype="float32")
    x = (deviation * RNG.normal(size=16)).astype("float32")[None, None, None]
    mean = some.mean(x, axis=-1)
    variance = some.mean(some.square(some.sub(x, mean)), axis=-1)
    some.rsqrt(some.add(variance, some.constant(1e-5)))
    (where,) = some.degenerate
    assert where.all() == flagged
