"""`parity compare --floor`: traces on disk judged in units of rounding, accumulated and own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from parity.errors import ParityError
from parity.measure.compare import compare_traces
from parity.tensorfile import Array
from parity.traces import batch_path, write_batch

from .test_yardstick import EXACT, floor_trace, noisy, trace


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, Mapping[str, Array]], Path]:
    def write(name: str, taps: Mapping[str, Array]) -> Path:
        write_batch(batch_path(tmp_path / name, 0), trace(taps, precision="float32"))
        return tmp_path / name

    return write


@pytest.fixture
def floor(tmp_path: Path) -> Path:
    write_batch(batch_path(tmp_path / "floor", 0), floor_trace())
    return tmp_path / "floor"


def test_a_sound_candidate_holds_and_carries_its_ratios(folder, floor) -> None:
    base, oracle, candidate = folder("base", noisy(1)), folder("oracle", EXACT), folder("sound", noisy(2))
    found = compare_traces(base, [candidate], oracle=oracle, floor=floor, given=[oracle])
    assert found.holds
    tap = found.candidates[0].taps[0]
    assert tap.verdict.value == tap.metrics["noise_ratio"]
    assert tap.verdict.limit == tap.metrics["noise_ratio_limit"]
    assert "own_noise_ratio" in tap.metrics


def test_what_the_plain_ratio_lets_pass_the_floor_does_not(folder, floor) -> None:
    fault = np.zeros(16)
    fault[3] = 4e-7
    base, oracle = folder("base", noisy(1)), folder("oracle", EXACT)
    candidate = folder("wrong", noisy(2, second=fault))
    assert compare_traces(base, [candidate], oracle=oracle).holds
    found = compare_traces(base, [candidate], oracle=oracle, floor=floor)
    assert not found.holds
    assert "channel 3" in found.candidates[0].taps[1].verdict.message


def test_own_errors_need_the_steps(folder, floor) -> None:
    base, oracle, candidate = folder("base", noisy(1)), folder("oracle", EXACT), folder("wrong", noisy(2))
    steps = folder("steps", {"first": EXACT["first"], "second": EXACT["second"] + 1e-5})
    assert compare_traces(base, [candidate], oracle=oracle, floor=floor).holds
    assert not compare_traces(base, [candidate], oracle=oracle, floor=floor, given=[steps]).holds


def test_requests_that_make_no_sense_are_refused(folder, floor, tmp_path) -> None:
    base, oracle, candidate = folder("base", noisy(1)), folder("oracle", EXACT), folder("sound", noisy(2))
    with pytest.raises(ParityError, match="against an oracle"):
        compare_traces(base, [candidate], floor=floor)
    with pytest.raises(ParityError, match="steps of every candidate"):
        compare_traces(base, [candidate, candidate], oracle=oracle, floor=floor, given=[oracle])
    write_batch(batch_path(tmp_path / "other", 1), floor_trace())
    with pytest.raises(ParityError, match="other batches than the base"):
        compare_traces(base, [candidate], oracle=oracle, floor=tmp_path / "other")
    with pytest.raises(ParityError, match="no floor of"):
        compare_traces(base, [candidate], oracle=oracle, floor=oracle)
