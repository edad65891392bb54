"""Parts of tensors: what is done to them is undone by doing it again, or by its reverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.backends.diagnosis.parts import _by_head, _part, _slice, _swapped, is_square, turned

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "square"),
    [((4, 4), True), ((1, 4, 4), True), ((6, 2, 3), True), ((4, 6), False), ((1, 4, 6), False), ((6, 3, 3), False)],
)
def test_only_a_square_matrix_can_be_turned_unnoticed(shape: tuple[int, ...], square: bool) -> None:
    assert is_square(shape) is square
    if square:
        w = RNG.normal(size=shape)
        assert turned(w).shape == shape
        assert not np.array_equal(turned(w), w)
        np.testing.assert_array_equal(turned(turned(w)), w)


def test_a_kernel_by_heads_is_turned_as_the_matrix_that_it_is() -> None:
    w = RNG.normal(size=(6, 2, 3))
    np.testing.assert_array_equal(turned(w).reshape(6, 6), w.reshape(6, 6).T)


@given(heads=st.integers(1, 4), size=st.integers(1, 3), rows=st.integers(1, 3))
def test_written_per_head_is_the_reverse_of_read_per_head(heads: int, size: int, rows: int) -> None:
    w = np.arange(rows * 3 * heads * size).reshape(rows, -1)
    written = _by_head(w, count=3, heads=heads, back=True)
    np.testing.assert_array_equal(_by_head(written, count=3, heads=heads, back=False), w)
    # The first head's query, key and value come first.
    np.testing.assert_array_equal(written[:, size : 2 * size], w[:, heads * size : heads * size + size])


def test_parts_are_along_the_last_axis() -> None:
    w = np.arange(12).reshape(2, 6)
    np.testing.assert_array_equal(_swapped(w, one=0, other=2, count=3)[0], [4, 5, 2, 3, 0, 1])
    np.testing.assert_array_equal(_part(w, place=1, count=3, change=np.zeros_like)[0], [0, 1, 0, 0, 4, 5])


def test_a_slice_of_another_layer_is_every_layers() -> None:
    w = RNG.normal(size=(3, 2, 4))
    np.testing.assert_array_equal(_slice(w, there=1), np.stack([w[1]] * 3))
