"""Tensors on their way: order, dtypes, hashes, memory, and what is no number."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.artifacts.stream import Turned, contiguous, stream, target_dtype, target_specs
from parity.errors import ParityError, Problems
from parity.tensorfile import Array, TensorSpec
from parity.weights import Copy, Move, Transpose


def moves(arrays: Mapping[str, Array], *, turn: bool = True) -> list[Move]:
    found = []
    for name, array in arrays.items():
        operation = Transpose() if turn and array.ndim == 2 else Copy()
        found.append(Move(name, f"to.{name}", operation, array.shape, operation.shape(array.shape)))
    return found


def run(arrays: Mapping[str, Array], **options: Any) -> list[Turned]:
    problems = options.pop("problems", Problems("weights that are no numbers"))
    dtypes = {name: array.dtype.name for name, array in arrays.items()}
    return list(stream(arrays.__getitem__, moves(arrays), dtypes, problems=problems, **options))


def digest(array: Array) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def many(count: int, dtype: Any = np.float32) -> dict[str, Array]:
    rng = np.random.default_rng(2)
    return {f"t{i}": rng.normal(size=(i % 5 + 1, 3) if i % 3 else (4,)).astype(dtype) for i in range(count)}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_tensors_come_in_order_turned_and_hashed_whatever_the_threads(threads: int) -> None:
    arrays = many(150)
    found = run(arrays, threads=threads)
    assert [turned.proof.source for turned in found] == list(arrays)
    for turned, (name, array) in zip(found, arrays.items(), strict=True):
        expected = array.T if array.ndim == 2 else array
        np.testing.assert_array_equal(turned.array, expected)
        assert turned.array.flags.c_contiguous
        assert turned.proof.target == f"to.{name}"
        assert turned.proof.operation == ("transpose" if array.ndim == 2 else "copy")
        assert (turned.proof.source_shape, turned.proof.target_shape) == (array.shape, expected.shape)
        assert turned.proof.source_sha256 == digest(array)
        assert turned.proof.target_sha256 == digest(expected)


def test_half_is_widened_exactly_and_the_rest_is_kept() -> None:
    assert [target_dtype(name) for name in ("float16", "bfloat16", "float32", "float64")] == [
        "float32",
        "float32",
        "float32",
        "float64",
    ]
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float64):
        array = np.array([[1.5, -0.1], [65504, 6e-8]]).astype(dtype)
        (turned,) = run({"a": array})
        assert turned.array.dtype.name == turned.proof.target_dtype == target_dtype(array.dtype.name)
        np.testing.assert_array_equal(turned.array.astype(np.float64), array.T.astype(np.float64))
        assert turned.proof.source_dtype == array.dtype.name
        assert turned.proof.source_sha256 == digest(array)
        assert turned.proof.target_sha256 == digest(turned.array)


def test_the_way_back_may_ask_for_half() -> None:
    array = np.array([1.5, 2], np.float32)
    (turned,) = run({"a": array}, dtype_of={"to.a": "bfloat16"})
    assert turned.array.dtype == ml_dtypes.bfloat16
    assert turned.proof.target_dtype == "bfloat16"


def test_specs_are_known_before_data_is_read() -> None:
    arrays = {"a": np.zeros((2, 3), np.float16), "b": np.zeros(4, np.float64)}
    specs = target_specs(moves(arrays), {name: array.dtype.name for name, array in arrays.items()})
    assert specs == [TensorSpec("to.a", "float32", (3, 2)), TensorSpec("to.b", "float64", (4,))]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_every_tensor_with_a_value_that_is_no_number_is_counted(dtype: Any, bad: float) -> None:
    arrays = many(4, dtype)
    arrays["t2"][0, 1] = arrays["t2"][1, 2] = bad
    arrays["t0"][3] = bad
    problems = Problems("weights that are no numbers", where="ckpt")
    run(arrays, problems=problems)
    with pytest.raises(ParityError) as caught:
        problems.raise_if_any()
    assert "2 of 9 values of t2 are NaN or infinite" in str(caught.value)
    assert "1 of 4 values of t0 are NaN or infinite" in str(caught.value)
    assert "t1" not in str(caught.value)
    assert "take an earlier checkpoint" in str(caught.value)


def test_a_single_nan_at_the_end_of_a_large_tensor_is_seen() -> None:
    array = np.zeros((1 << 19) + 3, np.float32)
    array[-1] = np.nan
    problems = Problems("x")
    run({"a": array}, problems=problems)
    assert len(problems) == 1


def test_without_hashing_nothing_is_claimed() -> None:
    assert all(t.proof.source_sha256 == t.proof.target_sha256 == "" for t in run(many(5), hashing=False))


def test_a_reader_that_fails_is_heard_and_no_thread_stays() -> None:
    arrays = many(200)
    read: list[str] = []

    def failing(name: str) -> Array:
        read.append(name)
        if name == "t20":
            raise ParityError("damaged", where="data")
        return arrays[name]

    before = threading.active_count()
    dtypes = dict.fromkeys(arrays, "float32")
    with pytest.raises(ParityError, match="data: damaged"):
        list(stream(failing, moves(arrays), dtypes, problems=Problems("x")))
    assert threading.active_count() == before
    assert len(read) < 150, "what was waiting is not read any more"


def test_a_consumer_that_stops_leaves_no_thread() -> None:
    before = threading.active_count()
    arrays = many(100)
    generator = stream(arrays.__getitem__, moves(arrays), dict.fromkeys(arrays, "float32"), problems=Problems("x"))
    next(generator)
    generator.close()
    assert threading.active_count() == before


def test_only_as_much_is_in_flight_as_the_largest_tensor_allows() -> None:
    size = 48 << 20
    alive, most = 0, 0
    lock = threading.Lock()

    class Counted(np.ndarray[Any, Any]):
        def __del__(self) -> None:
            nonlocal alive
            if self.base is None:
                with lock:
                    alive -= 1

    def read(name: str) -> Array:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return Counted((size // 4,), np.float32)

    shapes = [Move(f"t{i}", f"t{i}", Copy(), (size // 4,), (size // 4,)) for i in range(8)]
    dtypes = {move.source: "float32" for move in shapes}
    for turned in stream(read, shapes, dtypes, problems=Problems("x"), hashing=False):
        del turned
    assert most <= 3, "two in flight, one in the consumer's hand"


@given(rows=st.integers(0, 300), columns=st.integers(0, 300))
def test_turning_in_tiles_is_turning(rows: int, columns: int) -> None:
    array = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns).T
    found = contiguous(array)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)


def test_what_is_in_order_is_not_copied_and_what_has_three_axes_is() -> None:
    array = np.zeros((3, 4))
    assert contiguous(array) is array
    cube = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1)
    np.testing.assert_array_equal(contiguous(cube), cube)
