"""Stations on synthetic traces: noise of a known size, and one fault for each thing that only one judgement sees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from parity.measure import floor as floors
from parity.measure.floor import JUDGED
from parity.measure.station import Station, guilty
from parity.measure.yardstick import Truth, Yardstick
from parity.tensorfile import Array
from parity.traces import TraceBatch

TAPS = ("first", "second")
B, T, C, UNIT = 8, 10, 16, 1e-7
INPUTS = {
    "input_ids": np.arange(B * T, dtype=np.int32).reshape(B, T),
    "attention_mask": np.ones((B, T), np.int32),
}
EXACT = {tap: np.random.default_rng(number).standard_normal((B, T, C)) for number, tap in enumerate(TAPS)}


def noisy(seed: int, **more: Array) -> dict[str, Array]:
    """A float32-like run of both taps; `more` adds a fault to a tap."""
    random = np.random.default_rng(seed)
    taps = {tap: exact + UNIT * random.standard_normal(exact.shape) for tap, exact in EXACT.items()}
    return {tap: (value + more.get(tap, 0.0)).astype(np.float32) for tap, value in taps.items()}


def trace(taps: Mapping[str, Array], **meta: object) -> TraceBatch:
    return TraceBatch(dict(taps), dict(INPUTS), dict(meta))


def floor_trace() -> TraceBatch:
    parts = {
        "channel": np.full(C, UNIT**2 * B * T),
        "white": np.full(C, float(B * T)),
        "spread": np.zeros(C),
        "token": np.full((B, T), UNIT**2),
        "state": np.full((B, T), JUDGED, np.uint8),
    }
    arrays = {floors.name_of(kind, tap, part): parts[part] for tap in TAPS for kind in floors.KINDS for part in parts}
    return trace(arrays, describe={"seeds": "4"})


def yardstick(source: Mapping[str, Array] | None = None) -> Yardstick:
    run = trace(noisy(100) if source is None else source)
    return Yardstick(dict.fromkeys(TAPS, "BTC"), [lambda: Truth("b0", INPUTS, trace(EXACT), floor_trace(), run)])


def judge(candidate: TraceBatch, steps: Mapping[str, Array] | None = None, **more: object) -> dict[str, Station]:
    given = None if steps is None else (lambda _: trace(steps))
    return yardstick().judge(lambda _: candidate, given=given, **more)


def test_a_sound_run_passes_by_both_judgements_and_says_its_numbers() -> None:
    found = judge(trace(noisy(1)), EXACT)
    assert [station.status for station in found.values()] == ["pass", "pass"]
    numbers = found["second"].numbers
    assert 0.9 < numbers["noise_ratio"] < 1.1
    assert 0.9 < numbers["own_noise_ratio"] < 1.1
    assert 0.9 < numbers["source_ratio"] < 1.1
    assert numbers["noise_ratio"] < numbers["noise_ratio_limit"]
    assert found["second"].value == numbers["noise_ratio"]
    assert guilty(found.values()) == ()


def test_an_inherited_error_is_red_but_not_guilty() -> None:
    wrong = noisy(2, first=np.float64(1e-5), second=np.float64(1e-5))
    # The second station hands its input's error on and adds none of its own.
    found = judge(trace(wrong), {"first": EXACT["first"], "second": EXACT["second"] + 1e-5})
    assert [found[tap].status for tap in TAPS] == ["fail", "fail"]
    assert guilty(found.values()) == ("first",)
    assert found["second"].inherited
    assert not found["first"].inherited


def test_an_own_error_that_cancels_what_was_inherited_is_red() -> None:
    found = judge(trace(noisy(3)), {"first": EXACT["first"], "second": EXACT["second"] + 1e-5})
    assert found["second"].accumulated is not None
    assert found["second"].accumulated.status == "pass"
    assert found["second"].status == "fail"
    assert found["second"].value is not None
    assert found["second"].value > 10


def test_one_channel_decides_where_only_it_is_wrong() -> None:
    fault = np.zeros(C)
    fault[5] = 4 * UNIT
    station = judge(trace(noisy(4, second=fault)), EXACT)["second"]
    assert station.status == "fail"
    assert station.worst is not None
    assert (station.worst.group, station.worst.place) == ("channel", 5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_red(value: float) -> None:
    taps = noisy(5)
    taps["first"][0, 0, 0] = value
    station = judge(trace(taps), EXACT)["first"]
    assert (station.status, "NaN or infinite" in station.message) == ("fail", True)


@pytest.mark.parametrize(
    ("taps", "told"),
    [
        ({"first": noisy(6)["first"]}, "the tap is missing"),
        ({**noisy(6), "second": noisy(6)["second"][:, :-1]}, "has shape"),
        ({**noisy(6), "second": noisy(6)["second"].astype(np.float64)}, "has dtype float64"),
    ],
)
def test_what_cannot_be_compared_is_red_and_says_why(taps: dict[str, Array], told: str) -> None:
    station = judge(trace(taps), EXACT)["second"]
    assert station.status == "fail"
    assert told in station.message
    assert station.judgements == {}


def test_a_missing_step_is_red_unless_that_station_was_not_to_be_told() -> None:
    steps = {"first": EXACT["first"]}
    assert "is missing" in judge(trace(noisy(7)), steps)["second"].message
    told = judge(trace(noisy(7)), steps, own=("first",))["second"]
    assert (told.status, told.own) == ("pass", None)


def test_other_ids_are_red() -> None:
    fed = trace(noisy(8))
    other = TraceBatch(fed.taps, {**INPUTS, "input_ids": INPUTS["input_ids"] + 1}, {})
    assert "other token ids" in judge(other, EXACT)["first"].message


def test_a_batch_declared_skipped_is_a_skip() -> None:
    station = judge(TraceBatch({}, INPUTS, {"skipped": "no texts"}), EXACT)["first"]
    assert (station.status, station.message) == ("skip", "batch b0: no texts")


def test_a_lower_precision_is_measured_but_not_judged_by_this_rule() -> None:
    assert judge(trace(noisy(9)), EXACT, precision="bfloat16")["first"].status == "report"


def test_a_source_beyond_its_limit_makes_the_station_unjudged_and_names_it() -> None:
    truths = yardstick(noisy(10, second=np.float64(1e-5)))
    found = truths.judge(lambda _: trace(noisy(11)))
    assert [found[tap].status for tap in TAPS] == ["pass", "unjudged"]
    assert found["second"].accumulated is not None
    assert found["second"].accumulated.culprit == "source"


def test_an_oracle_that_source_and_candidate_contradict_is_named() -> None:
    fault = np.random.default_rng(0).standard_normal((B, T, C)) * 1e-5
    truths = yardstick(noisy(10, second=fault))
    station = truths.judge(lambda _: trace(noisy(11, second=fault)))["second"]
    assert station.accumulated is not None
    assert (station.status, station.accumulated.culprit) == ("unjudged", "oracle")
