from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.measure import spread


def counted(values: np.ndarray) -> spread.Counts:
    bins = (np.square(values).view(np.uint64) >> spread.RAW_SHIFT).astype(np.intp)
    return spread.folded(np.bincount(bins, minlength=spread.RAW_BINS))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1e-40, 1e38) | st.floats(-1e38, -1e-40), min_size=1, max_size=60),
    st.sampled_from([0.01, 0.5, 0.999, 1.0]),
)
def test_a_quantile_is_right_within_the_stated_resolution(values: list[float], share: float) -> None:
    array = np.array(values)
    wanted = float(np.quantile(np.abs(array), share, method="inverted_cdf"))
    assert spread.quantile(counted(array), share) == pytest.approx(wanted, rel=spread.RESOLUTION, abs=2.0**-149)


def test_what_lies_outside_float32_goes_to_the_ends() -> None:
    assert spread.quantile(counted(np.array([0.0, 1e-60, -1e-60])), 1.0) == 0.0
    assert spread.quantile(counted(np.array([1e39])), 0.5) == math.inf
    with np.errstate(invalid="ignore"):
        assert spread.quantile(counted(np.array([np.inf, -np.inf]) - np.inf), 0.5) == math.inf


def test_nothing_has_no_quantile() -> None:
    assert math.isnan(spread.quantile(np.zeros(spread.BINS, np.int64), 0.5))
