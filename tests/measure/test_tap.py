from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.measure import TapMeasure
from parity.tensorfile import Array

from .support import naive, triple


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 99), st.floats(allow_nan=True, width=32))
def test_masked_positions_never_influence_anything(flags: list[bool], seed: int, poison: float) -> None:
    real = np.array(flags).reshape(3, 4)
    real[0, 0] = True
    arrays = triple((3, 4, 5), seed)
    clean = TapMeasure("layer.0")
    clean.update(**arrays, real=real, batch="a")
    for array in arrays.values():
        array[~real] = poison
    dirty = TapMeasure("layer.0")
    dirty.update(**arrays, real=real, batch="a")
    assert dirty.metrics == clean.metrics
    assert dirty.worst == clean.worst
    assert dirty.metrics["count"] == real.sum() * 5


@pytest.mark.parametrize("shape", [(4, 6, 8), (6, 8), (2, 3, 4, 5)])
def test_any_number_of_leading_axes(shape: tuple[int, ...]) -> None:
    arrays = triple(shape)
    tap = TapMeasure("x")
    tap.update(**arrays, batch="a")
    wanted = naive(arrays["candidate"].reshape(-1, shape[-1]), arrays["oracle"].reshape(-1, shape[-1]))
    assert tap.metrics["rms_oracle"] == pytest.approx(wanted["rms"], rel=1e-12)


def test_a_mask_over_fewer_axes_stands_for_the_rest() -> None:
    arrays = triple((2, 3, 4, 5))
    rows = np.array([True, False])
    tap = TapMeasure("x")
    tap.update(**arrays, real=rows, batch="a")
    alone = TapMeasure("x")
    alone.update(**{party: array[:1] for party, array in arrays.items()}, batch="a")
    assert tap.metrics == alone.metrics


def test_batches_are_kept_and_pooled() -> None:
    first, second = triple(seed=1), triple((2, 3, 8), seed=2, noise=1e-5)
    tap = TapMeasure("layer.0")
    tap.update(**first, batch="a")
    tap.update(**second, batch="b")
    rows = {row.batch: row.metrics for row in tap.batches}
    squares = sum(rows[name]["rms_oracle"] ** 2 * rows[name]["count"] for name in "ab")
    assert tap.metrics["count"] == rows["a"]["count"] + rows["b"]["count"]
    assert tap.metrics["rms_oracle"] == pytest.approx(math.sqrt(squares / tap.metrics["count"]))
    assert tap.metrics["ratio"] == pytest.approx(tap.metrics["rms_oracle"] / tap.metrics["source_rms_oracle"])
    assert tap.metrics["max"] == max(rows[name]["max"] for name in "ab")


def test_row_errors_are_those_of_each_row() -> None:
    arrays = triple((3, 4, 5))
    real = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    row = TapMeasure("x").update(**arrays, real=real, batch="a")
    assert row is not None
    assert row.rows.count.tolist() == [10, 20, 0]
    for found, (mine, other) in zip(
        (row.rows.rms, row.rows.rms_oracle, row.rows.source_rms_oracle),
        (("candidate", "source"), ("candidate", "oracle"), ("source", "oracle")),
        strict=True,
    ):
        assert found is not None
        for number in (0, 1):
            wanted = naive(arrays[mine][number], arrays[other][number], real[number])["rms"]
            assert found[number] == pytest.approx(wanted, rel=1e-12)
        assert math.isnan(found[2])


def test_the_worst_value_is_named_by_row_token_and_channel() -> None:
    arrays = triple((3, 4, 5))
    real = np.ones((3, 4), bool)
    real[0, 0] = False
    arrays["candidate"][2, 1, 3] += 1
    arrays["candidate"][0, 0, 0] += 9  # padding
    tap = TapMeasure("x")
    tap.update(**triple((3, 4, 5), seed=5), batch="a")
    tap.update(**arrays, real=real, batch="b")
    tap.update(**triple((3, 4, 5), seed=6), batch="c")
    worst = tap.worst
    assert worst is not None
    assert (worst.batch, worst.row, worst.position, worst.channel) == ("b", 2, 1, 3)
    assert (worst.candidate, worst.oracle) == (float(arrays["candidate"][2, 1, 3]), arrays["oracle"][2, 1, 3])


def test_positions_say_which_token_and_pooled_taps_have_none() -> None:
    arrays = triple((3, 2, 5))
    arrays["candidate"][1, 1, 4] += 1
    tap = TapMeasure("logits.mlm")
    tap.update(**arrays, batch="a", positions=np.array([[0, 1], [7, 9], [2, 3]]))
    assert tap.worst is not None
    assert tap.worst.position == 9
    pooled = TapMeasure("pooler")
    pooled.update(**triple((3, 5)), batch="a")
    assert pooled.worst is not None
    assert pooled.worst.position is None


def test_a_value_that_is_not_finite_is_worse_than_any_deviation() -> None:
    tap = TapMeasure("x")
    bad = triple()
    bad["candidate"][1, 2, 3] = np.nan
    tap.update(**bad, batch="a")
    huge = triple()
    huge["candidate"][0, 0, 0] = 1e30
    tap.update(**huge, batch="b")
    assert tap.worst is not None
    assert (tap.worst.batch, tap.worst.channel) == ("a", 3)
    assert math.isnan(tap.metrics["max"])


def test_a_value_that_is_not_finite_is_found_after_finite_ones() -> None:
    tap = TapMeasure("x")
    tap.update(**triple(), batch="a")
    bad = triple()
    bad["candidate"][1, 2, 3] = np.nan
    tap.update(**bad, batch="b")
    assert tap.worst is not None
    assert (tap.worst.batch, tap.worst.row, tap.worst.position, tap.worst.channel) == ("b", 1, 2, 3)
    assert math.isnan(tap.metrics["max"])


def test_the_channel_that_deviates_most_is_named_and_dead_channels_do_not_alarm() -> None:
    arrays = triple((8, 8, 16))
    arrays["source"][..., 5] = arrays["oracle"][..., 5] = 0.0
    arrays["candidate"][..., 5] = 1e-30
    tap = TapMeasure("x")
    tap.update(**arrays, batch="a")
    assert tap.metrics["channel_ratio_max"] < 2
    arrays["candidate"][..., 11] += np.float32(1e-5)
    tap = TapMeasure("x")
    tap.update(**arrays, batch="a")
    assert tap.metrics["channel_ratio_at"] == 11
    error = arrays["candidate"][..., 11] - arrays["oracle"][..., 11]
    own = arrays["source"][..., 11] - arrays["oracle"][..., 11]
    wanted = np.sqrt(np.mean(error**2) / np.mean(own**2))
    assert tap.metrics["channel_ratio_max"] == pytest.approx(wanted, rel=1e-10)


def test_the_denominator_has_a_floor() -> None:
    arrays = triple((8, 8, 16))
    arrays["source"] = arrays["oracle"].astype(np.float32)
    arrays["oracle"] = arrays["source"].astype(np.float64)
    arrays["oracle"][0, 0, 0] += 1e-12  # a source that is nearly exact
    tap = TapMeasure("x")
    tap.update(**arrays, batch="a")
    scale = np.sqrt(np.mean(arrays["oracle"] ** 2))
    assert tap.metrics["ratio"] == pytest.approx(tap.metrics["rms_oracle"] / (2.0**-26 * scale), rel=1e-9)


def test_nothing_that_deviates_reads_zero_and_infinite_digits() -> None:
    same = triple()["source"]
    tap = TapMeasure("x")
    tap.update(same, same, batch="a")
    found = tap.metrics
    assert (found["rms"], found["ulp_p999"], found["digits"], found["bit_equal"]) == (0, 0, math.inf, same.size)
    assert tap.worst is None
    assert "ratio" not in found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"candidate": None}, "the tap is missing"),
        ({"candidate": np.zeros((4, 6, 8))}, "candidate has dtype float64, expected float32"),
        ({"candidate": np.zeros((4, 6, 8), np.float16)}, "candidate has dtype float16"),
        ({"candidate": np.zeros((4, 6, 8), np.int32)}, "candidate has dtype int32"),
        ({"source": np.zeros((4, 6, 8), np.float16)}, "source has dtype float16"),
        ({"oracle": np.zeros((4, 6, 8), np.float32)}, "oracle has dtype float32, expected float64"),
        ({"candidate": np.zeros((4, 6, 1), np.float32)}, "has shape"),
        ({"candidate": np.zeros((1, 6, 8), np.float32)}, "has shape"),
        ({"candidate": np.zeros((4, 48), np.float32)}, "has shape"),
        ({"oracle": np.zeros((4, 8, 6))}, "has shape"),
        ({"real": np.ones((4, 5), bool)}, "mask"),
        ({"real": np.ones((4, 6), np.int64)}, "mask"),
        ({"real": np.ones((4, 6, 8), bool)}, "mask"),
        ({"real": np.zeros((4, 6), bool)}, "nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_a_problem_in_words(changes: dict[str, Array | None], words: str) -> None:
    tap = TapMeasure("x")
    assert tap.update(**{**triple(), **changes}, batch="batch-003") is None  # type: ignore[arg-type]
    assert len(tap.problems) == 1
    assert tap.problems[0].startswith("batch batch-003: ")
    assert words in tap.problems[0]
    assert (tap.sums, tap.batches, tap.metrics) == (None, [], {})


@pytest.mark.parametrize("shape", [(0, 6, 8), (4, 0, 8), (4, 6, 0), (5,)])
def test_empty_and_flat_arrays_are_problems(shape: tuple[int, ...]) -> None:
    tap = TapMeasure("x")
    tap.update(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape), batch="a")
    assert len(tap.problems) == 1


def test_batches_with_and_without_an_oracle_do_not_mix() -> None:
    tap = TapMeasure("x")
    arrays = triple()
    tap.update(**arrays, batch="a")
    tap.update(arrays["candidate"], arrays["source"], batch="b")
    assert "missing here" in tap.problems[0]


def test_nothing_fed_is_changed_and_views_on_files_will_do() -> None:
    arrays = triple()
    before = {party: array.copy() for party, array in arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
    tap = TapMeasure("x")
    tap.update(**arrays, real=np.eye(4, 6, dtype=bool), batch="a")
    assert tap.metrics["count"] == 32
    for party, array in arrays.items():
        np.testing.assert_array_equal(array, before[party])
