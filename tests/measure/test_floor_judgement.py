"""Verdicts on arrays whose noise is known, each fault of the kind that only its own group sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.measure.floor import IGNORED, JUDGED, REPORTED, FloorBatch, pool
from parity.measure.judgement import Judgement, judge
from parity.measure.limits import Groups
from parity.measure.noise import Errors
from parity.tensorfile import Array

B, T, C, SEEDS, UNIT = 40, 12, 32, 4, 1e-7
RANDOM = np.random.default_rng(0)
ORACLE = RANDOM.standard_normal((B, T, C))
REAL = np.ones((B, T), bool)
REAL[0, 4:] = False


def deviating(seed: int, size: float = 1.0) -> Array:
    """A run whose errors are rounding noise of that size."""
    return ORACLE + size * UNIT * np.random.default_rng(seed).standard_normal(ORACLE.shape)


def floors(scale: float = 1.0, *, degenerate: tuple[int, ...] = ()) -> FloorBatch:
    noise = scale * UNIT * np.random.default_rng(99).standard_normal((SEEDS, *ORACLE.shape))
    squares = (noise**2).mean(axis=0)
    token = squares.mean(axis=-1)
    tainted = np.isin(np.arange(B), degenerate)[:, None]
    counted = REAL & ~tainted
    state = np.where(counted, JUDGED, np.where(REAL, REPORTED, IGNORED)).astype(np.uint8)
    shares = squares[counted] / np.where(token[counted] > 0, token[counted], 1)[:, None]
    spread = (noise[:, counted] ** 2).sum(axis=1).var(axis=0, ddof=1)
    return FloorBatch(squares[counted].sum(axis=0), shares.sum(axis=0), spread, token, state, SEEDS)


def judged(
    candidate: Array, source: Array | None = None, *, oracle: Array = ORACLE, floor: FloorBatch | None = None
) -> Judgement:
    given = floors() if floor is None else floor
    pooled = pool([given])

    def ratios(values: Array, reference: Array):
        errors = Errors(pooled)
        errors.add("text", values, reference, given)
        return errors.ratios()

    return judge(
        pooled,
        ratios(candidate, oracle),
        Groups.of([pooled] * 13),
        source=None if source is None else ratios(source, oracle),
        between=None if source is None else ratios(candidate, source.astype(np.float64)),
    )


def red(judgement: Judgement) -> set[str]:
    return {found.group for found in judgement.findings if not found.holds}


def test_rounding_noise_passes_and_says_how_far_it_is() -> None:
    found = judged(deviating(1), deviating(2))
    assert (found.status, found.culprit) == ("pass", None)
    assert [one.group for one in found.findings] == ["whole", "channel", "token", "row"]
    assert found.findings[0].ratio == pytest.approx(1, abs=0.1)
    assert found.source == pytest.approx(1, abs=0.1)
    assert 0.3 < found.excess < 0.8
    assert "the whole lies" in found.message


def test_twice_the_noise_is_seen_in_the_whole() -> None:
    assert "whole" in red(judged(deviating(1, 3.0), deviating(2)))
    assert judged(deviating(1, 3.0), deviating(2)).status == "fail"


def test_one_channel_is_seen_in_its_channel_only() -> None:
    wrong = deviating(1)
    wrong[..., 7] += 4 * UNIT
    found = judged(wrong, deviating(2))
    assert red(found) == {"channel"}
    assert "channel 7 lies" in found.message


def test_one_token_is_seen_in_its_token_only() -> None:
    wrong = deviating(1)
    wrong[2, 3] += 10 * UNIT * np.random.default_rng(5).standard_normal(C)
    found = judged(wrong, deviating(2))
    assert red(found) == {"token"}
    assert "token [2, 3] of text" in found.message


def test_one_row_is_seen_in_its_row() -> None:
    wrong = deviating(1)
    wrong[4] += 3.6 * UNIT * np.random.default_rng(6).standard_normal((T, C))
    found = judged(wrong, deviating(2))
    assert red(found) == {"row"}
    assert "row [4] of text" in found.message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(bad: float) -> None:
    wrong = deviating(1)
    wrong[1, 1, 1] = bad
    assert judged(wrong, deviating(2)).status == "fail"
    assert judged(wrong).status == "fail"
    assert judged(deviating(1), wrong).status == "unjudged"
    broken = ORACLE.copy()
    broken[1, 1, 1] = bad
    assert judged(deviating(1), deviating(2), oracle=broken).status == "unjudged"
    assert judged(deviating(1), oracle=broken).status == "fail"
    floor = floors()
    floor.token[1, 1] = bad
    found = judged(deviating(1), deviating(2), floor=floor)
    assert (found.status, found.culprit) == ("unjudged", "floor")


def test_who_is_wrong() -> None:
    shift = 20 * UNIT * np.random.default_rng(7).standard_normal(ORACLE.shape)
    cases = {
        "source": judged(deviating(1), deviating(2) + shift),
        "oracle": judged(deviating(1), deviating(2), oracle=ORACLE + shift),
        "floor": judged(deviating(1), deviating(2), floor=floors(0.05)),
        "unknown": judged(deviating(1) + shift, deviating(2) + 400 * UNIT),
    }
    assert {name: found.culprit for name, found in cases.items()} == {name: name for name in cases}
    assert {found.status for found in cases.values()} == {"unjudged"}
    assert judged(deviating(1), deviating(2), floor=floors(20)).culprit == "floor"
    assert judged(deviating(1), ORACLE.copy()).culprit == "source"


def test_a_wrong_candidate_is_not_excused_by_a_sound_source() -> None:
    assert judged(deviating(1) + 1e-5, deviating(2)).status == "fail"


def test_an_exact_station_wants_the_same_bits() -> None:
    exact, rounded = floors(0.0), ORACLE.astype(np.float32)
    assert judged(rounded, rounded, floor=exact).status == "pass"
    # The oracle of an exact station is a float32 value anyway; where it is not, its rounding is meant.
    off = rounded.copy()
    off[3, 3, 3] = np.nextafter(off[3, 3, 3], np.float32(9))
    found = judged(off, rounded, floor=exact)
    assert (found.status, found.culprit) == ("fail", None)
    assert "1 values are not bit-equal" in found.message
    assert judged(rounded, off, floor=exact).culprit == "source"
    assert judged(off, off, floor=exact).culprit == "unknown"
    zero = np.zeros_like(ORACLE)
    assert judged(-zero.astype(np.float32), oracle=zero, floor=exact).status == "fail"
    padding = rounded.copy()
    padding[0, 5] = 7
    assert judged(padding, rounded, floor=exact).status == "pass"


def test_degenerate_rows_are_reported_whatever_they_hold() -> None:
    wrong = deviating(1)
    wrong[2] += 1.0
    found = judged(wrong, deviating(2), floor=floors(degenerate=(2,)))
    assert found.status == "pass"
    assert [place.index for place in found.reported] == [(2,)]
    assert judged(wrong, deviating(2)).status == "fail"
    only = judged(wrong, deviating(2), floor=floors(degenerate=tuple(range(B))))
    assert only.status == "report"
    assert len(only.reported) == B


def test_positions_that_were_not_compared_are_no_pass() -> None:
    given = floors()
    pooled = pool([given, given])
    errors = Errors(pooled)
    errors.add("text", deviating(1), ORACLE, given)
    assert judge(pooled, errors.ratios(), Groups.of([pooled])).status == "fail"
    assert judge(pooled, Errors(pooled).ratios(), Groups.of([pooled])).status == "fail"


def test_few_tokens_are_judged_by_what_they_can_bear(monkeypatch: pytest.MonkeyPatch) -> None:
    real = np.zeros_like(REAL)
    real[1, :5] = True
    monkeypatch.setitem(globals(), "REAL", real)
    wrong = deviating(1)
    wrong[..., 7] += 4 * UNIT
    found = judged(wrong, deviating(2))
    assert found.status == "pass"
    assert {one.group: one.limit is None for one in found.findings} == {
        "whole": False,
        "channel": True,
        "token": False,
        "row": False,
    }
    single = np.zeros_like(REAL)
    single[1, 2] = True
    monkeypatch.setitem(globals(), "REAL", single)
    found = judged(deviating(1), deviating(2))
    assert found.status == "pass"
    assert [one.group for one in found.findings if one.limit is not None] == ["whole"]
    assert judged(deviating(1, 50.0), deviating(2)).status == "fail"


def test_a_floor_of_seeds_that_scatter_is_given_more_room() -> None:
    few, many = (pool([replace(floors(), seeds=seeds)]) for seeds in (2, 16))
    bounds = []
    for pooled in (few, many):
        errors = Errors(pooled)
        errors.add("text", deviating(1), ORACLE, floors())
        bounds.append([found.limit for found in judge(pooled, errors.ratios(), Groups.of([pooled])).findings])
    assert all(loose > tight for loose, tight in zip(*bounds, strict=True))
