"""Tensors that layers share, and tensors that a checkpoint lacks: claims, the way back, and what the table refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.artifacts.stream import assembled, stream
from parity.errors import ParityError, Problems
from parity.tensorfile import Array
from parity.weights import Copy, Merged, Rule, Same, Table, Zeros, operation, plan

TABLE = Table((Rule("bias", "layer.{i}.bias", Same()), Rule("w", "w")), 3, zeros=(("w", (2, 2)),))


def merged(parts: dict[str, Array]) -> list[Array]:
    """What the way back writes."""
    moves = plan(TABLE.inverted(), {name: array.shape for name, array in parts.items()}, where="here").moves
    dtypes = {name: array.dtype.name for name, array in parts.items()}
    return [
        turned[0].array
        for turned in assembled(stream(parts.__getitem__, moves, dtypes, problems=Problems("none", where="here")))
    ]


def copies(*values: float) -> dict[str, Array]:
    return {f"layer.{i}.bias": np.full(2, value, np.float32) for i, value in enumerate(values)} | {
        "w": np.ones((2, 2), np.float32)
    }


@given(st.integers(0, 40), st.integers(1, 40))
def test_operations_are_their_inverses_inverse_and_found_by_name(index: int, count: int) -> None:
    for one in (Same(index, count), Merged(index, count), Zeros()):
        assert one.inverse().inverse() == one
        assert one.shape((3, 4)) == (3, 4)
        array = np.arange(3.0)
        assert one.inverse().forward(one.forward(array)) is array
        if index < count:
            assert operation(one.name) == one


@pytest.mark.parametrize("name", ["same 3 of 3", "merged 1 of 0", "same", "Zeros", "same 1 of 3 "])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(ValueError, match="unknown operation"):
        operation(name)


def test_every_layer_gets_the_whole_tensor() -> None:
    made = plan(TABLE, {"bias": (2,), "w": (2, 2)}, where="here")
    assert [(m.target, m.operation, m.target_shape) for m in made.moves] == [
        *((f"layer.{i}.bias", Same(i, 3), (2,)) for i in range(3)),
        ("w", Copy(), (2, 2)),
    ]


def test_equal_copies_become_one_again() -> None:
    bias, w = merged(copies(5.0, 5.0, 5.0))
    np.testing.assert_array_equal(bias, np.full(2, 5.0))
    assert w.shape == (2, 2)


@pytest.mark.parametrize("values", [(5.0, 5.0, 6.0), (5.0, 4.0, 5.0), (0.0, -0.0, 0.0)])
def test_copies_that_differ_in_a_bit_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ParityError, match=r"layer\.\d\.bias and layer\.0\.bias have values of their own"):
        merged(copies(*values))


def test_a_copy_that_is_missing_is_missed() -> None:
    parts = copies(5.0, 5.0, 5.0)
    del parts["layer.1.bias"]
    with pytest.raises(ParityError, match=r"missing variable layer\.1\.bias"):
        merged(parts)


def test_two_rules_cannot_claim_one_source_but_by_its_copies() -> None:
    doubled = Table((*TABLE.rules, Rule("bias", "other.{i}", Same())), 3)
    with pytest.raises(ParityError, match="two rules claim bias"):
        plan(doubled, {"bias": (2,), "w": (2, 2)}, where="here")


def test_what_may_be_lacking_becomes_zeros_and_what_is_there_is_taken() -> None:
    assert plan(TABLE, {"bias": (2,)}, where="here").moves[-1].operation == Zeros()
    assert plan(TABLE, {"bias": (2,), "w": (2, 2)}, where="here").moves[-1].operation == Copy()
    with pytest.raises(ParityError, match="missing variable bias"):
        plan(TABLE, {"w": (2, 2)}, where="here")
