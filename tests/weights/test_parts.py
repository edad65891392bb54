"""Several sources that make one target, one behind the other, and the way back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.weights import Copy, Cut, Part, Rule, Table, operation, plan


@given(ends=st.lists(st.integers(1, 50), min_size=1, max_size=5, unique=True).map(sorted))
def test_parts_joined_and_cut_again_are_themselves(ends: list[int]) -> None:
    whole = np.arange(ends[-1] * 2, dtype=np.float32).reshape(-1, 2)
    parts = [Part(first, end, ends[-1]) for first, end in pairwise([0, *ends])]
    assert [operation(part.name) for part in parts] == parts
    assert [operation(part.inverse().name) for part in parts] == [part.inverse() for part in parts]
    taken = [part.inverse().forward(whole) for part in parts]
    assert [part.inverse().shape(whole.shape) for part in parts] == [one.shape for one in taken]
    assert {part.shape(one.shape) for part, one in zip(parts, taken, strict=True)} == {whole.shape}
    np.testing.assert_array_equal(np.concatenate([p.forward(t) for p, t in zip(parts, taken, strict=True)]), whole)
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize("kind", [Part, Cut])
@pytest.mark.parametrize("shape", [(2,), (4,), ()])
def test_a_shape_that_does_not_fit_is_refused(kind: type[Part | Cut], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"(part|cut) 0 to 3 of 5"):
        kind(0, 3, 5).shape(shape)


@pytest.mark.parametrize("name", ["part 3 to 3 of 5", "part 0 to 6 of 5", "cut -1 to 2 of 5", "part 0 to 1"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown operation"):
        operation(name)


def test_a_plan_takes_each_part_once() -> None:
    rules = (Rule("a", "x", Part(0, 2, 5)), Rule("b", "x", Part(2, 5, 5)))
    found = plan(Table(rules, 1), {"a": (2,), "b": (3,)}, where="here")
    assert [(move.target, move.target_shape) for move in found.moves] == [("x", (5,)), ("x", (5,))]
    back = plan(Table(rules, 1).inverted(), {"x": (5,)}, where="here")
    assert [(move.source, move.target, move.target_shape) for move in back.moves] == [
        ("x", "a", (2,)),
        ("x", "b", (3,)),
    ]
    with pytest.raises(ParityError, match="two rules claim b or x"):
        plan(Table((rules[0], Rule("b", "x", Part(0, 2, 5))), 1), {"a": (2,), "b": (2,)}, where="here")
    with pytest.raises(ParityError, match=r"b: shape \[2\] is not part 2 to 5 of 5"):
        plan(Table(rules, 1), {"a": (2,), "b": (2,)}, where="here")
    assert operation("copy") == Copy()
