from __future__ import annotations

import numpy as np
import pytest

from parity.weights import Copy, Transpose
from parity.weights.operations import OPERATIONS


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_inverse_undoes_the_operation_and_shapes_are_foretold(name: str) -> None:
    operation = OPERATIONS[name]
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    there = operation.forward(array)
    assert there.shape == operation.shape(array.shape)
    assert operation.inverse().shape(there.shape) == array.shape
    np.testing.assert_array_equal(operation.inverse().forward(there), array)
    assert operation.inverse().inverse() == operation
    assert operation.name == name, "the proof could not be read back"
    assert np.shares_memory(there, array), "a view is enough"


def test_a_transpose_turns_and_a_copy_does_not() -> None:
    array = np.arange(6).reshape(2, 3)
    assert Transpose().forward(array).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert Copy().forward(array).tolist() == array.tolist()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_only_a_matrix_is_transposed(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not a matrix"):
        Transpose().shape(shape)
