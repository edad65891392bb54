"""What the diagnosis tries of GPT-2's kernels, which have a leading axis of 1."""

from __future__ import annotations

import pytest

from parity.backends.diagnosis.catalogue import _transposed
from parity.families.values import Variable


@pytest.mark.parametrize(
    ("shape", "square"),
    [((8, 8), True), ((1, 8, 8), True), ((1, 8, 24), False), ((8, 2, 4), False), ((2, 8, 8), False), ((8,), False)],
)
def test_square_kernels_may_be_transposed(shape: tuple[int, ...], square: bool) -> None:
    found = list(_transposed({"model/h0/attn/c_proj/w": Variable("model/h0/attn/c_proj/w", shape, "kernel")}))
    assert [one.kind for one in found] == ["untransposed"] * square
