"""Floors from sums, beside what the whole noise says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.errors import ParityError
from parity.measure.floor import JUDGED, KINDS, PARTS, REPORTED, FloorBatch, name_of, names, pool, read, tap_of
from parity.measure.noise import Errors
from parity.tensorfile import Array
from parity.traces import TraceBatch

SEEDS, SHAPE = 4, (3, 5, 6)
REAL = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)


def noise(seed: int, spread: float = 0.3) -> Array:
    """[seeds, B, T, C], with uneven channels and tokens, of the size of float32 errors."""
    random = np.random.default_rng(seed)
    channels, tokens = (np.exp(random.normal(0, spread, n)) for n in (SHAPE[2], SHAPE[:2]))
    return 1e-7 * random.standard_normal((SEEDS, *SHAPE)) * channels * tokens[..., None]


def batch(noise: Array, real: Array = REAL) -> FloorBatch:
    """The sums a floor trace would hold, written down as its table has them."""
    squares = (noise**2).mean(axis=0)
    token = squares.mean(axis=-1)
    chosen = squares[real]
    shares = chosen / np.where(token[real] > 0, token[real], 1)[:, None]
    spread = (noise[:, real] ** 2).sum(axis=1).var(axis=0, ddof=1)
    return FloorBatch(chosen.sum(axis=0), shares.sum(axis=0), spread, token, real.astype(np.uint8) * JUDGED, SEEDS)


def test_tokens_that_err_alike_are_fewer_degrees_of_freedom() -> None:
    """Sixty tokens of which each twelve share their noise are five; two batches of them are ten."""
    random, where = np.random.default_rng(8), np.ones((5, 12), bool)
    apart = [1e-7 * random.standard_normal((SEEDS, 5, 12, 4000)) for _ in range(2)]
    alike = [np.repeat(each[:, :, :1], 12, axis=2) for each in apart]
    assert pool([batch(apart[0], where)]).freedom == pytest.approx(60, rel=0.1)
    assert pool([batch(alike[0], where)]).freedom == pytest.approx(5, rel=0.1)
    assert pool([batch(each, where) for each in alike]).freedom == pytest.approx(10, rel=0.1)


def naive(errors: list[Array], noises: list[Array], reals: list[Array]) -> dict[str, float]:
    """All ratios from whole arrays, formula by formula."""
    n = np.concatenate([noise[:, real] for noise, real in zip(noises, reals, strict=True)], axis=1)
    e = np.concatenate([error[real] for error, real in zip(errors, reals, strict=True)])
    overall = np.sqrt((n**2).mean())
    channels, tokens = np.sqrt((n**2).mean(axis=(0, 1))), np.sqrt((n**2).mean(axis=(0, 2)))
    channels, tokens = np.maximum(channels, np.median(channels) / 8), np.maximum(tokens, np.median(tokens) / 2)
    sigma = tokens[:, None] * channels / overall
    return {
        "whole": np.sqrt(((e / sigma) ** 2).mean() / ((n / sigma) ** 2).mean()),
        "channel": (np.sqrt((e**2).mean(axis=0)) / channels).max(),
        "token": (np.sqrt((e**2).mean(axis=1)) / tokens).max(),
    }


def measured(errors: list[Array], noises: list[Array], reals: list[Array]) -> Errors:
    floors = [batch(noise, real) for noise, real in zip(noises, reals, strict=True)]
    found = Errors(pool(floors))
    for number, (error, floor) in enumerate(zip(errors, floors, strict=True)):
        found.add(f"b{number}", error, np.zeros_like(error), floor)
    return found


@pytest.mark.parametrize(("spread", "within"), [(0.1, 1e-12), (0.9, 0.03)])
def test_ratios_are_those_of_the_whole_arrays(spread: float, within: float) -> None:
    # Wide spreads bring the clamp of tokens into play, where the sums stand for the arrays approximately.
    noises, reals = [noise(seed, spread) for seed in range(6)], [REAL, ~REAL, REAL, REAL, ~REAL, REAL]
    errors = [noise(seed + 100, spread)[0] for seed in range(6)]
    expected, found = naive(errors, noises, reals), measured(errors, noises, reals).ratios()
    clamped = np.concatenate([n[:, r].std(axis=(0, 2)) for n, r in zip(noises, reals, strict=True)])
    assert (clamped < np.median(clamped) / 2).any() == (spread > 0.5)
    assert found.whole == pytest.approx(expected["whole"], rel=within)
    assert found.channel == pytest.approx(expected["channel"], rel=1e-12)
    assert found.token is not None
    assert found.token.ratio == pytest.approx(expected["token"], rel=1e-12)


def test_rows_are_measured_against_their_own_floor() -> None:
    n, error = noise(1), noise(2)[0]
    found = measured([error], [n], [REAL]).ratios()
    least = np.median(np.sqrt((n[:, REAL] ** 2).mean(axis=(0, 2)))) / 2
    for place in found.rows:
        (row,) = place.index
        own = max(np.sqrt((n[:, row, REAL[row]] ** 2).mean()), least)
        assert place.ratio == pytest.approx(np.sqrt((error[row, REAL[row]] ** 2).mean()) / own, rel=1e-12)
        assert place.positions == REAL[row].sum()


def test_one_batch_or_several_make_no_difference() -> None:
    whole, error = noise(3), noise(4)[0]
    together = measured([error], [whole], [REAL]).ratios()
    apart = measured(
        [error[i : i + 1] for i in range(3)],
        [whole[:, i : i + 1] for i in range(3)],
        [REAL[i : i + 1] for i in range(3)],
    ).ratios()
    assert apart.whole == pytest.approx(together.whole, rel=1e-12)
    assert apart.channel == pytest.approx(together.channel, rel=1e-12)
    assert [row.ratio for row in apart.rows] == pytest.approx([row.ratio for row in together.rows])


def test_noise_itself_measures_one() -> None:
    many = [noise(seed, spread=0.1) for seed in range(20)]
    each = [measured([n[seed] for n in many], many, [REAL] * 20).ratios().whole for seed in range(SEEDS)]
    assert np.sqrt(np.mean(np.square(each))) == pytest.approx(1, abs=1e-9)


def test_massive_activations_hide_nothing() -> None:
    # One token and one channel a thousand times as noisy: the plain ratio would be theirs alone.
    large = noise(5, spread=0.1)
    large[:, 0, 0] *= 1000
    large[..., 2] *= 1000
    error = np.where(np.arange(6) == 2, 0.0, 20 * large[0])
    error[0, 0] = 0
    found = measured([error], [large], [REAL]).ratios()
    assert found.whole > 3
    assert np.sqrt((error[REAL] ** 2).mean() / (large[:, REAL] ** 2).mean()) < 0.1


def test_dead_channels_are_held_to_an_eighth_of_the_others() -> None:
    n = noise(6, spread=0.0)
    n[..., 3] = 1e-38
    floor = pool([batch(n)])
    assert floor.channels is not None
    assert floor.channels[3] == floor.channels.min()
    assert floor.rms / 10 < floor.channels[3] < floor.rms / 6


def test_where_most_is_exact_the_rest_still_has_a_floor() -> None:
    n = noise(6, spread=0.0)
    n[..., :5] = 0
    n[:, :, 1:] = 0
    floor = pool([batch(n)])
    assert floor.channels is not None
    assert floor.channels.min() > 0
    assert floor.places(np.zeros(1)).min() > 0
    assert measured([n[0]], [n], [REAL]).ratios().whole < 3
    wrong = n[0].copy()
    wrong[1, 2, 3] = 1e-6
    assert measured([wrong], [n], [REAL]).ratios().whole > 3


def test_ratios_do_not_depend_on_the_unit() -> None:
    n, error = noise(12), noise(13)[0]
    small, large = (measured([error * by], [n * by], [REAL]).ratios() for by in (1.0, 2.0**20))
    assert large.whole == pytest.approx(small.whole, rel=1e-12)
    assert large.channel == pytest.approx(small.channel, rel=1e-12)


def test_batches_of_other_widths_have_no_channels() -> None:
    n = noise(7)
    narrow = n[..., :4]
    floor = pool([batch(n), batch(narrow)])
    assert (floor.channels, floor.width, floor.positions) == (None, 0, 24)
    errors = Errors(floor)
    for error in (n[0], narrow[0]):
        errors.add("b", error, np.zeros_like(error), batch(noise(7)[..., : error.shape[-1]]))
    found = errors.ratios()
    assert np.isnan(found.channel)
    assert found.channel_at == -1
    assert 0.5 < found.whole < 2


def test_degenerate_rows_are_reported_and_count_for_nothing() -> None:
    n, error = noise(8), noise(9)[0]
    error[1] = 1.0
    whole = batch(n)
    state = whole.state.copy()
    state[1][REAL[1]] = REPORTED
    tainted = replace(batch(n[:, [0, 2]], REAL[[0, 2]]), token=whole.token, state=state)
    floor = pool([tainted])
    assert floor.positions == REAL[[0, 2]].sum()
    errors = Errors(floor)
    errors.add("b", error, np.zeros_like(error), tainted)
    found, without = errors.ratios(), measured([error[[0, 2]]], [n[:, [0, 2]]], [REAL[[0, 2]]]).ratios()
    assert found.whole == pytest.approx(without.whole, rel=1e-12)
    assert found.token is not None
    assert found.token.ratio < 10
    assert [(place.index, place.positions) for place in found.reported] == [((1,), 3)]
    assert found.reported[0].ratio > 1e6


def test_anything_not_finite_makes_its_ratios_nan() -> None:
    for bad in (np.nan, np.inf):
        error = noise(10)[0]
        error[0, 1, 2] = bad
        found = measured([error], [noise(11)], [REAL]).ratios()
        assert found.token is not None
        assert not found.whole <= 1e300
        assert not found.channel <= 1e300
        assert not found.token.ratio <= 1e300
        assert found.token.index == (0, 1)
        assert not max(row.ratio for row in found.rows) <= 1e300
    error = noise(10)[0]
    error[1, 4] = np.nan  # padding
    assert measured([error], [noise(11)], [REAL]).ratios().whole < 10


def test_arrays_of_other_shapes_are_refused() -> None:
    floor, error = batch(noise(1)), noise(2)[0]
    errors = Errors(pool([floor]))
    for values, reference in ((error[:1], error), (error, error[:1]), (error[:, :4], error[:, :4])):
        with pytest.raises(ParityError, match="other shapes"):
            errors.add("b", values, reference, floor)


def test_names_lead_to_the_tap_and_back() -> None:
    asked = names(["layer.3", "logits.mlm"])
    assert len(asked) == len(set(asked)) == 2 * len(KINDS) * len(PARTS)
    assert {tap_of(name) for name in asked} == {"layer.3", "logits.mlm"}
    for wrong in (
        "layer.3",
        "floor/own/layer.3",
        "floor/own/layer.3/what",
        "floor/other/layer.3/token",
        "floor/own//token",
    ):
        with pytest.raises(ParityError, match="not an array of a floor trace"):
            tap_of(wrong)


def test_floors_are_read_from_a_trace_that_says_its_seeds() -> None:
    floor = batch(noise(1))
    arrays = {name_of("own", "layer.0", part): getattr(floor, part) for part in PARTS}
    trace = TraceBatch(arrays, {}, {"describe": {"seeds": "4"}})
    assert read(trace, "layer.0", "own").seeds == 4
    np.testing.assert_array_equal(read(trace, "layer.0", "own").token, floor.token)
    with pytest.raises(ParityError, match=r"no floor of layer\.0"):
        read(trace, "layer.0", "accumulated")
    with pytest.raises(ParityError, match=r"no floor of layer\.0"):
        read(replace(trace, meta={}), "layer.0", "own")


def test_floors_of_different_numbers_of_seeds_do_not_mix() -> None:
    floor = batch(noise(1))
    with pytest.raises(ParityError, match="different numbers of seeds"):
        pool([floor, replace(floor, seeds=8)])
    with pytest.raises(ParityError, match="none at all"):
        pool([])
