"""The matched filter: it finds what an rms cannot, and says when it cannot either."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.measure.filter import Coefficient, matched, pooled

RNG = np.random.default_rng(1)
DIRECTION = RNG.normal(size=(300, 64)) * 1e-4
NOISE = RNG.normal(size=(2, 300, 64)) * 4e-4


def test_a_fault_below_the_noise_is_found() -> None:
    error = NOISE[0] + DIRECTION
    assert np.sqrt((error**2).mean() / (NOISE[0] ** 2).mean()) < 1.05  # an rms says nothing
    found, sound = matched(error, DIRECTION), matched(NOISE[0], DIRECTION)
    assert found.identifiable
    assert abs(found.value - 1) < 4 * found.error
    assert abs(sound.value) < 4 * sound.error


def test_what_rounding_puts_there_is_taken_off() -> None:
    common = -0.3 * DIRECTION  # rounding that leans the fault's way, in the emulated run as well
    found = matched(NOISE[0] + common + DIRECTION, DIRECTION, emulated=NOISE[1] + common)
    assert found.baseline == pytest.approx(-0.3, abs=0.15)
    assert found.value == pytest.approx(1, abs=4 * found.error)
    assert found.error > matched(NOISE[0], DIRECTION).error


def test_what_both_rounded_alike_is_no_scatter() -> None:
    found = matched(NOISE[0] + DIRECTION + 0.1 * NOISE[1], DIRECTION, emulated=NOISE[0])
    assert found.error < 0.2 * matched(NOISE[0], DIRECTION).error
    assert abs(found.value - 1) < 4 * found.error


def test_layers_are_weighted_by_what_they_know() -> None:
    found = pooled([Coefficient(1.0, 0.1, 1.2, 0.2), Coefficient(0.0, 0.2, 0.0, 0.0)])
    assert found.value == pytest.approx(0.8)
    assert found.error == pytest.approx(1 / np.sqrt(100 + 25))
    assert (found.raw, found.baseline) == (pytest.approx(0.96), pytest.approx(0.16))
    assert pooled([Coefficient(np.nan, np.nan, 0, 0), Coefficient(1.0, 0.1, 1, 0)]).value == 1
    assert not pooled([]).identifiable
    assert pooled([Coefficient(0.0, 0.0, 0, 0), Coefficient(1.0, 0.0, 1, 0)]).value == 0.5


def test_found_is_more_than_half_beyond_scatter() -> None:
    assert Coefficient(0.81, 0.1, 0, 0).found
    assert not Coefficient(0.79, 0.1, 0, 0).found
    assert not Coefficient(1.0, 0.11, 0, 0).found
    assert not Coefficient(-1.0, 0.01, 0, 0).found


def test_too_much_noise_is_not_identifiable() -> None:
    found = matched(NOISE[0] * 100, DIRECTION)
    assert not found.identifiable
    assert "not identifiable" in str(found)
    assert not matched(np.full((4, 3), np.nan), np.ones((4, 3))).identifiable


def test_the_standard_error_is_that_of_repeated_runs() -> None:
    rng = np.random.default_rng(2)
    runs = [matched(rng.normal(size=DIRECTION.shape) * 4e-4, DIRECTION) for _ in range(60)]
    assert np.std([run.value for run in runs]) == pytest.approx(np.mean([run.error for run in runs]), rel=0.4)


@given(st.floats(-5, 5), st.floats(0.01, 100))
def test_a_pure_multiple_is_read_exactly_in_any_unit(share: float, unit: float) -> None:
    found = matched(share * DIRECTION * unit, DIRECTION * unit)
    assert found.value == pytest.approx(share, abs=1e-9)
    assert found.error < 1e-9


def test_what_fits_nothing_is_refused() -> None:
    for error, direction in ((NOISE[0], DIRECTION[:5]), (NOISE[0], 0 * DIRECTION), (NOISE[0][:2], DIRECTION[:2])):
        with pytest.raises(ParityError):
            matched(error, direction)
