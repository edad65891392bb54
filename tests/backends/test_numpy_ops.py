from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.backends.executors import numpy_ops
from parity.backends.executors.numpy_ops import NumpyOps

RNG = np.random.default_rng(3)


def executor(dtype: str = "float64", **weights: np.ndarray) -> NumpyOps:
    return NumpyOps(weights.__getitem__, np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_operation_stays_in_the_dtype(dtype: str) -> None:
    ops = executor(dtype, w=RNG.normal(size=(4, 4)).astype(np.float32))
    x = ops.cast(np.arange(1, 9).reshape(2, 4))
    values = [
        ops.matmul(x, ops.weight("w")), ops.gather_weight("w", np.array([[0, 1]])), ops.add(x, ops.constant(1.5)),
        ops.sub(x, x), ops.mul(x, x), ops.div(x, ops.constant(3.0)), ops.mean(x, axis=-1), ops.square(x), ops.rsqrt(x),
        ops.erf(x), ops.tanh(x), ops.maximum(x, 2.0), ops.softmax(x), ops.index(x, 0, axis=1), ops.expand(x, axis=0),
        ops.slice_rows(x, 1), ops.reshape(x, (4, -1)), ops.transpose(x, (1, 0)),
    ]  # fmt: skip
    assert {value.dtype.name for value in values} == {dtype}


def test_functions_are_the_mathematical_ones() -> None:
    ops, x = executor(), np.array([0.25, 1.0, 2.5])
    np.testing.assert_allclose(ops.erf(x), [math.erf(v) for v in x], rtol=1e-15)
    np.testing.assert_allclose(ops.tanh(x), [math.tanh(v) for v in x], rtol=1e-15)
    np.testing.assert_allclose(ops.rsqrt(x), [v**-0.5 for v in x], rtol=1e-15)
    np.testing.assert_allclose(ops.mean(x, axis=0), [sum(x) / 3], rtol=1e-15)
    np.testing.assert_array_equal(ops.maximum(x, 1.0), [1.0, 1.0, 2.5])


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=6), st.floats(-200, 200))
def test_softmax_sums_to_one_and_does_not_see_a_shift(values: list[float], shift: float) -> None:
    ops, x = executor(), np.array([values])
    np.testing.assert_allclose(ops.softmax(x).sum(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(ops.softmax(x + shift), ops.softmax(x), rtol=1e-9, atol=1e-300)


def test_shapes_follow_the_vocabulary() -> None:
    ops = executor()
    x = np.arange(24.0).reshape(2, 3, 4)
    picked = ops.take_positions(x, np.array([[2, 0], [1, 1]]))
    np.testing.assert_array_equal(picked, [[x[0, 2], x[0, 0]], [x[1, 1], x[1, 1]]])
    np.testing.assert_array_equal(ops.matmul(x, x, transpose_b=True), np.einsum("btc,bsc->bts", x, x))
    np.testing.assert_allclose(ops.matmul(x, x[0], transpose_b=True), np.einsum("btc,sc->bts", x, x[0]))
    assert ops.shape(ops.expand(x, axis=1)) == (2, 1, 3, 4)


@pytest.mark.parametrize("transpose_b", [True, False])
def test_a_large_table_is_used_as_stored_and_widened_exactly(
    monkeypatch: pytest.MonkeyPatch, transpose_b: bool
) -> None:
    table = RNG.normal(size=(37, 6)).astype(np.float32)
    stored = table if transpose_b else np.ascontiguousarray(table.T)
    monkeypatch.setattr(numpy_ops, "_BLOCK", 60)
    small = executor(w=stored.copy())
    assert small.weight("w").dtype == np.float64
    monkeypatch.setattr(numpy_ops, "LARGE", 200)
    large = executor(w=stored.copy())
    assert large.weight("w").dtype == np.float32
    x = RNG.normal(size=(2, 5, 6))
    product = large.matmul(x, large.weight("w"), transpose_b=transpose_b)
    assert product.dtype == np.float64
    np.testing.assert_allclose(product, x @ table.T.astype(np.float64), rtol=1e-13)
    np.testing.assert_allclose(product, small.matmul(x, small.weight("w"), transpose_b=transpose_b), rtol=1e-13)
    rows = large.gather_weight("w", np.array([[3, 1]]))
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows, stored[[[3, 1]]].astype(np.float64))


def test_a_table_wider_than_the_executor_is_rounded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_ops, "LARGE", 1)
    assert executor("float32", w=np.ones((2, 2))).weight("w").dtype == np.float32


def test_a_weight_is_read_once_and_cannot_be_written() -> None:
    reads: list[str] = []

    def read(name: str) -> np.ndarray:
        reads.append(name)
        return np.ones(3, np.float32)

    ops = NumpyOps(read, np.dtype("float64"))
    ops.weight("a")
    ops.weight("a")
    assert reads == ["a"]
    with pytest.raises(ValueError, match="read-only"):
        ops.weight("a")[0] = 2.0
