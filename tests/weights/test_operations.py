from __future__ import annotations

import numpy as np
import pytest

from parity.weights import Copy, Row, Squeeze, Stacked, Transpose, operation


@pytest.mark.parametrize(
    ("name", "shape"), [("copy", (2, 3)), ("transpose", (2, 3)), ("squeeze", (1, 2, 3)), ("unsqueeze", (2, 3))]
)
def test_the_inverse_undoes_the_operation_and_shapes_are_foretold(name: str, shape: tuple[int, ...]) -> None:
    found = operation(name)
    array = np.arange(6, dtype=np.float32).reshape(shape)
    there = found.forward(array)
    assert there.shape == found.shape(array.shape)
    assert found.inverse().shape(there.shape) == array.shape
    np.testing.assert_array_equal(found.inverse().forward(there), array)
    assert found.inverse().inverse() == found
    assert found.name == name, "the proof could not be read back"
    assert np.shares_memory(there, array), "a view is enough"


def test_rows_of_a_stack_are_taken_and_named_so_that_they_lead_back() -> None:
    stack = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    rows = [Row(i, 3) for i in range(3)]
    assert [operation(row.name) for row in rows] == rows
    assert [operation(row.inverse().name) for row in rows] == [Stacked(i, 3) for i in range(3)]
    parts = [row.inverse().forward(row.forward(stack)) for row in rows]
    np.testing.assert_array_equal(np.stack(parts), stack)
    assert {row.shape(stack.shape) for row in rows} == {(2, 2)}
    assert {row.inverse().shape((2, 2)) for row in rows} == {(3, 2, 2)}


@pytest.mark.parametrize(
    ("taken", "shape"), [(Row(0, 3), (2, 2)), (Row(0, 3), (3,)), (Squeeze(), (2, 3)), (Squeeze(), ())]
)
def test_a_shape_that_an_operation_does_not_fit_is_refused(taken: Row | Squeeze, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        taken.shape(shape)


@pytest.mark.parametrize("name", ["", "turn", "row 3 of 3", "row -1 of 3", "stacked 1", "row 1 of 99999999"])
def test_a_name_that_no_operation_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown operation"):
        operation(name)


def test_a_transpose_turns_and_a_copy_does_not() -> None:
    array = np.arange(6).reshape(2, 3)
    assert Transpose().forward(array).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert Copy().forward(array).tolist() == array.tolist()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_only_a_matrix_is_transposed(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not a matrix"):
        Transpose().shape(shape)
