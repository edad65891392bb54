from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import inside, nearest, walk
from parity.errors import ParityError
from parity.ops import Stage

OPS = NumpyOps({}.__getitem__, np.dtype("float64"))
STAGES = (
    Stage("double", ("inputs/x",), lambda ops, x: ops.add(x, x)),
    Stage("square", ("double",), lambda ops, x: ops.square(x)),
    Stage("unrelated", ("inputs/y",), lambda ops, y: pytest.fail("evaluated without need")),
    Stage("sum", ("square", "double"), lambda ops, a, b: ops.add(a, b)),
)


def test_only_what_is_wanted_is_evaluated_and_returned() -> None:
    found = walk(STAGES, OPS, {"x": np.array([1.0, 3.0])}, ["sum", "double"])
    assert list(found) == ["double", "sum"]
    np.testing.assert_array_equal(found["sum"], [6.0, 42.0])
    np.testing.assert_array_equal(found["double"], [2.0, 6.0])


def test_a_value_is_dropped_when_no_later_stage_needs_it() -> None:
    seen: list[weakref.ref[np.ndarray]] = []

    def make(ops: object, x: np.ndarray) -> np.ndarray:
        value = x + 1.0
        seen.append(weakref.ref(value))
        return value

    def check(ops: object, x: np.ndarray) -> np.ndarray:
        gc.collect()
        assert [ref() is None for ref in seen] == [True, False]
        return x

    stages = (
        Stage("a", ("inputs/x",), make),
        Stage("b", ("a",), make),
        Stage("c", ("b",), check),
    )
    walk(stages, OPS, {"x": np.zeros(3)}, {"c"})
    assert len(seen) == 2


def test_nothing_wanted_is_nothing_done() -> None:
    assert walk(STAGES, OPS, {}, ()) == {}


def test_unknown_taps_and_absent_inputs_are_named() -> None:
    with pytest.raises(ParityError, match=r"no tap layer\.77"):
        walk(STAGES, OPS, {"x": np.zeros(1)}, ["layer.77"])
    with pytest.raises(ParityError, match="the batch has no inputs/x"):
        walk(STAGES, OPS, {"y": np.zeros(1)}, ["sum"])


def test_given_values_are_handed_on_while_the_stages_own_are_returned() -> None:
    found = walk(STAGES, OPS, {"x": np.array([1.0])}, ["double", "square", "sum"], given={"double": np.array([5.0])})
    assert {name: value.item() for name, value in found.items()} == {"double": 2.0, "square": 25.0, "sum": 30.0}


def test_what_only_given_values_depend_on_is_not_evaluated() -> None:
    given = {"square": np.array([3.0]), "double": np.array([4.0])}
    assert walk(STAGES, OPS, {}, ["sum"], given=given)["sum"].item() == 7.0


def test_nearest_are_the_named_stages_that_feed_one_and_inside_is_what_lies_between() -> None:
    stages = (
        Stage("a", ("inputs/x",), lambda ops, x: x),
        Stage("a.b", ("a", "inputs/mask"), lambda ops, x, m: x),
        Stage("a.c", ("a.b",), lambda ops, x: x),
        Stage("d", ("a.c", "a"), lambda ops, x, y: x),
    )
    assert nearest(stages, "d", ("a", "d")) == {"a"}
    assert nearest(stages, "d", ("a.c", "a", "d")) == {"a", "a.c"}
    assert nearest(stages, "a", ("d",)) == frozenset()
    assert inside(stages, "d", ("a", "d")) == {"a.b", "a.c"}
    assert inside(stages, "d", ()) == {"a", "a.b", "a.c"}
