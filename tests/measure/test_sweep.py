from __future__ import annotations

import math
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.measure import sweep as sweep_module
from parity.measure import tiles as tiles_module
from parity.measure.metrics import compute
from parity.measure.sums import AGAINST_ORACLE, AGAINST_SOURCE, SOURCE_ERROR
from parity.measure.sweep import sweep
from parity.measure.tiles import tiles

from .support import naive, triple

LOOSE = {"ulp_p50": 1 / 60, "ulp_p999": 1 / 60}


def use_block(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(tiles_module, "BLOCK", size)
    monkeypatch.setattr(sweep_module, "BLOCK", size)


def assert_naive(found: dict[str, float], wanted: dict[str, float], suffix: str = "") -> None:
    for name, value in wanted.items():
        scale = {"mean": wanted["rms"] * 1e-7, "std": wanted["rms"] * 1e-7, "digits": 1e-9}.get(name, 0)
        assert found[name + suffix] == pytest.approx(value, rel=LOOSE.get(name, 1e-12), abs=scale), name


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40), channels=st.integers(1, 40), seed=st.integers(0, 1000), block=st.integers(1, 300),
    noise=st.sampled_from([1e-8, 1e-6, 1.0]), dtype=st.sampled_from(["float32", "float16", "bfloat16", "float64"]),
    holes=st.booleans(),
)  # fmt: skip
def test_equals_a_plain_computation_whatever_the_block(
    rows: int, channels: int, seed: int, block: int, noise: float, dtype: str, holes: bool
) -> None:
    arrays = triple((rows, channels), seed, noise)
    arrays["candidate"] = arrays["candidate"].astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    real = np.random.default_rng(seed).random(rows) < 0.6
    real[seed % rows] = True
    with pytest.MonkeyPatch.context() as patch:
        use_block(patch, block)
        swept = sweep(arrays, np.flatnonzero(real) if holes else None)
    mask = real if holes else None
    found = compute(swept.sums)
    assert found["count"] == (real.sum() if holes else rows) * channels
    assert_naive(found, naive(arrays["candidate"], arrays["source"], mask))
    assert_naive(found, naive(arrays["candidate"], arrays["oracle"], mask), "_oracle")
    source = naive(arrays["source"], arrays["oracle"], mask)
    assert found["source_rms_oracle"] == pytest.approx(source["rms"], rel=1e-12)
    chosen = real if holes else np.ones(rows, bool)
    error = (arrays["candidate"].astype(np.float64) - arrays["oracle"])[chosen]
    for pair, per_row in ((AGAINST_ORACLE, (error**2).sum(axis=1)),):
        np.testing.assert_allclose(swept.positions[pair], per_row, rtol=1e-12)
    np.testing.assert_allclose(swept.sums.deviations[AGAINST_ORACLE].channels, (error**2).sum(axis=0), rtol=1e-12)
    assert swept.worst is not None
    assert abs(error[swept.worst]) == np.abs(error).max() == found["max_oracle"]


def test_tiles_cover_every_compared_value_once_and_copy_only_holes() -> None:
    matrix = np.arange(30.0).reshape(10, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles_module, "BLOCK", 7)
        whole = list(tiles({"candidate": matrix}, None))
        holed = list(tiles({"candidate": matrix}, np.array([0, 1, 4, 9])))
        wide = list(tiles({"candidate": matrix.reshape(1, 30)}, None))
    assert np.concatenate([tile.raw["candidate"] for tile in whole]).tolist() == matrix.tolist()
    assert np.concatenate([tile.raw["candidate"] for tile in holed]).tolist() == matrix[[0, 1, 4, 9]].tolist()
    assert [np.shares_memory(tile.raw["candidate"], matrix) for tile in holed] == [True, False]
    assert [tile.left for tile in wide] == [0, 7, 14, 21, 28]
    assert np.concatenate([tile.raw["candidate"] for tile in wide], axis=1).ravel().tolist() == list(range(30))


@pytest.mark.parametrize("seed", range(3))
def test_sums_of_parts_add_up_to_the_sums_of_the_whole_in_any_order(seed: int) -> None:
    arrays = triple((24, 5), seed)
    parts = [sweep({p: a[i : i + 6] for p, a in arrays.items()}, None).sums for i in (12, 0, 18, 6)]
    whole, pooled = compute(sweep(arrays, None).sums), compute(parts[0] + parts[1] + parts[2] + parts[3])
    assert pooled.keys() == whole.keys()
    for name, value in whole.items():
        assert pooled[name] == pytest.approx(value, rel=1e-10), name


def test_sums_of_other_parties_do_not_add() -> None:
    arrays = triple()
    flat = {party: array.reshape(-1, 8) for party, array in arrays.items()}
    alone = sweep({"candidate": flat["candidate"]}, None).sums
    with pytest.raises(ValueError, match="do not add"):
        _ = sweep(flat, None).sums + alone


def test_pooling_batches_with_other_channel_counts_drops_only_the_channels() -> None:
    first, second = (sweep(triple((8, width)), None).sums for width in (5, 6))
    pooled = compute(first + second)
    assert pooled["count"] == 88
    assert "channel_ratio_max" not in pooled
    assert "ratio" in pooled


@pytest.mark.parametrize("party", ["candidate", "source", "oracle"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_counted_found_and_poisons_the_sums(
    party: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = triple((30, 4))
    arrays[party][17, 2] = value
    arrays[party][20, 0] = value
    use_block(monkeypatch, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        swept = sweep(arrays, None)
        found = compute(swept.sums)
    assert swept.sums.nonfinite[party] == 2  # type: ignore[index]
    assert sum(swept.sums.nonfinite.values()) == 2
    assert swept.worst == (17, 2)
    assert not math.isfinite(found["ratio"])


def test_equal_nan_in_all_is_not_equal() -> None:
    arrays = triple((30, 4))
    for array in arrays.values():
        array[3, 1] = np.nan
    swept = sweep(arrays, None)
    assert swept.sums.nonfinite == {"candidate": 1, "source": 1, "oracle": 1}
    assert not compute(swept.sums)["rms"] <= math.inf


def test_a_candidate_alone_is_still_searched() -> None:
    alone = np.ones((5, 3), np.float32)
    assert sweep({"candidate": alone}, None).sums.nonfinite == {"candidate": 0}
    alone[4, 2] = np.nan
    swept = sweep({"candidate": alone}, None)
    assert (swept.sums.nonfinite, swept.worst) == ({"candidate": 1}, (4, 2))


def test_bit_equality_is_of_bits_not_of_values() -> None:
    zeros = np.zeros((2, 3), np.float32)
    swept = sweep({"candidate": -zeros, "source": zeros, "oracle": zeros.astype(np.float64)}, None)
    assert [swept.sums.deviations[pair].same for pair in (AGAINST_SOURCE, AGAINST_ORACLE, SOURCE_ERROR)] == [0, 0, 6]


def test_bit_equality_against_the_oracle_is_after_rounding_it() -> None:
    oracle = np.random.default_rng(0).standard_normal((4, 4))
    for dtype in (np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)):
        candidate = oracle.astype(dtype)
        candidate[0, 0] = np.nextafter(candidate[0, 0], dtype.type(9))
        arrays = {"candidate": candidate, "source": oracle.astype(np.float32), "oracle": oracle}
        assert sweep(arrays, None).sums.deviations[AGAINST_ORACLE].same == 15
