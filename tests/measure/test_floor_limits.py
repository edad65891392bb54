from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from parity.measure.floor import Floor
from parity.measure.limits import ALPHA, KAPPA, Groups, Limits, limit

MANY = 10**9
"""Seeds so many that the floor is known."""
groups = st.integers(1, 10**7)
freedoms = st.floats(1, 1e6)
seeds = st.integers(1, 64)


def floor(rms: float = 1.0, positions: int = 512, width: int = 384, rows: int = 8) -> Floor:
    return Floor(rms, np.full(width, rms), width, positions, rows, 4, rms)


def test_the_specifications_example() -> None:
    found = Limits(Groups.of([floor()] * 13), 512, 4)
    assert found.whole == pytest.approx(1.74, abs=0.005)
    assert found.channel == pytest.approx(2.16, abs=0.005)  # 1.81 there: docs/numerics.md says why
    assert found.token == pytest.approx(7.8, abs=0.05)
    assert found.rows(np.array([64.0]))[0] == pytest.approx(limit(13 * 8, 64, seeds=4))


@given(groups, freedoms, seeds)
def test_more_groups_raise_it_and_more_knowledge_lowers_it(groups: int, freedom: float, seeds: int) -> None:
    found = limit(groups, freedom, seeds=seeds)
    assert found > KAPPA
    assert limit(2 * groups, freedom, seeds=seeds) > found
    assert limit(groups, 2 * freedom, seeds=seeds) < found
    assert limit(groups, freedom, seeds=seeds + 1) < found
    assert limit(groups, 1e12, seeds=seeds) == pytest.approx(KAPPA, rel=1e-4)


@given(groups, freedoms)
def test_chi_square_exceeds_it_no_more_often_than_promised(groups: int, freedom: float) -> None:
    squared = (limit(groups, freedom, seeds=MANY) / KAPPA) ** 2
    assert groups * stats.chi2.sf(freedom * squared, freedom) <= ALPHA * (1 + 1e-6)


def test_the_bound_is_not_idle() -> None:
    # The union of 1000 groups of 2 degrees: the exact quantile of chi-square, a fifth below the bound at most.
    exact = KAPPA * math.sqrt(stats.chi2.isf(ALPHA / 1000, 2) / 2)
    assert exact < limit(1000, 2, seeds=MANY) < 1.25 * exact


def test_a_channel_never_counts_as_more_than_128_tokens() -> None:
    counted = Groups.of([floor()])
    assert Limits(counted, 10**6, 4).channel == Limits(counted, 128, 4).channel
    assert Limits(counted, 10**6, 4).whole < Limits(counted, 128, 4).whole


def test_a_channel_counts_as_what_its_floor_shows() -> None:
    counted = Groups.of([floor()])
    assert Limits.of(counted, replace(floor(), freedom=20.0)).channel == Limits(counted, 20, 4).channel
    assert Limits.of(counted, replace(floor(), freedom=1000.0)).channel == Limits(counted, 128, 4).channel


def test_what_too_few_positions_leave_out() -> None:
    short, single = floor(positions=7), floor(positions=1, rows=0)
    counted = Groups.of([short, single, floor(rms=0.0)])
    assert counted == Groups(whole=2, channel=0, token=7, row=8)
    assert Limits(counted, 7, 8).channel is None
    assert Limits(counted, 7, 8).token is not None
    assert Limits(counted, 1, 8).token is None
    varying = replace(floor(), channels=None, width=0)
    assert Groups.of([varying]).channel == 0
