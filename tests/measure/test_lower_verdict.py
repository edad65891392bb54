"""The judgement of a lower precision: what it calls sound, too much, too little, and not its business."""

from __future__ import annotations

import numpy as np
import pytest

from parity.measure.lower import FEWEST, LIMIT, UNDERSTATED, Lowered, lower_verdict, measure, price
from parity.measure.station import Station
from parity.measure.tap import TapMeasure
from parity.traces import TraceBatch

AXES = {"hidden": "BTC", "logits.mlm": "BQC"}
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
INPUTS = {"input_ids": MASK, "attention_mask": MASK, "logit_positions": np.array([[0, 2, 2], [1, 1, 1]], np.int32)}


def trace(scale: float, *, seed: int = 0, **taps: np.ndarray) -> TraceBatch:
    rng = np.random.default_rng(seed)
    found = {"hidden": rng.normal(size=(2, 4, 5)) * scale, "logits.mlm": rng.normal(size=(2, 3, 7)) * scale, **taps}
    return TraceBatch(found, INPUTS)


def station(values: np.ndarray | None = None, precision: str = "bfloat16") -> Station:
    taken = TapMeasure("hidden", precision=precision)
    array = np.ones((20, 4), np.float32) if values is None else values
    taken.update(array, None, np.ones((20, 4)), batch="one")
    return Station("hidden", taken, None, None)


def of(ratio: float, *, count: int = 1000, emulated: float = 1e-3) -> Lowered:
    return Lowered(count, ratio * emulated, emulated, 1.0)


def test_errors_are_pooled_over_real_and_distinct_positions() -> None:
    oracle = trace(1.0)
    run = TraceBatch({tap: values + 3.0 for tap, values in oracle.taps.items()}, INPUTS)
    like = TraceBatch({tap: values - 2.0 for tap, values in oracle.taps.items()}, INPUTS)
    for tap, values in run.taps.items():  # what is padding, or a position told before, does not count
        values[(MASK == 0) if tap == "hidden" else np.array([[0, 0, 1], [0, 1, 1]], bool)] = 1e9
    found = measure(AXES, lambda _: run, lambda _: oracle, lambda _: like, [0, 0])
    assert [found[tap].count for tap in AXES] == [2 * 5 * 5, 2 * 3 * 7]
    for tap in AXES:
        assert found[tap].error == pytest.approx(3)
        assert found[tap].ratio == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("ratio", "status"),
    [(1.0, "pass"), (LIMIT, "pass"), (UNDERSTATED, "pass"), (1.51, "fail"), (0.49, "fail"), (float("nan"), "fail")],
)
def test_a_run_errs_as_much_as_its_emulation_or_is_red(ratio: float, status: str) -> None:
    assert lower_verdict(station(), of(ratio), floor=1e-7).status == status


def test_a_label_that_understates_is_called_so() -> None:
    verdict = lower_verdict(station(), of(0.001), floor=1e-9)
    assert verdict.limit == UNDERSTATED
    assert "another arithmetic ran than the label says" in verdict.message


def test_without_a_recipe_it_is_measured_only() -> None:
    verdict = lower_verdict(station(precision="int8"), None, floor=1e-7)
    assert (verdict.status, verdict.value) == ("report", None)
    assert "measured only" in verdict.message


def test_what_cannot_be_compared_is_red_whatever_the_ratio() -> None:
    broken = np.ones((20, 4), np.float32)
    broken[3, 2] = np.nan
    assert lower_verdict(station(broken), of(1.0), floor=1e-7).status == "fail"
    assert lower_verdict(station(np.ones((20, 5), np.float32)), of(1.0), floor=1e-7).status == "fail"
    assert lower_verdict(station(), of(1.0, emulated=float("inf")), floor=1e-7).status == "fail"


def test_few_values_are_only_reported() -> None:
    assert lower_verdict(station(), of(2.0, count=FEWEST - 1), floor=1e-7).status == "report"
    assert lower_verdict(station(), of(2.0, count=FEWEST), floor=1e-7).status == "fail"


def test_a_station_that_stays_in_float32_is_judged_as_float32() -> None:
    wrong = np.ones((20, 4), np.float32)
    wrong[0, 0] = np.nan
    unsound = lower_verdict(station(), of(1.0, emulated=2e-7), floor=1e-7, float32=station(wrong, "float32"))
    assert unsound.status == "fail"


def test_the_price_is_the_distance_of_two_oracles() -> None:
    one, other = trace(1.0), trace(1.0)
    other = TraceBatch({tap: values + 0.25 for tap, values in other.taps.items()}, INPUTS)
    assert price(AXES, lambda _: other, lambda _: one, [0])["hidden"].error == pytest.approx(0.25)
