from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.measure import LIMIT, TapMeasure, Verdict, judge, judge_bounds
from parity.measure.verdict import check_bounds
from parity.tensorfile import Array

from .support import triple


def judged(arrays: dict[str, Array], precision: str = "float32") -> Verdict:
    tap = TapMeasure("layer.0", precision=precision)
    tap.update(**arrays, batch="a")
    return judge(tap)


def scaled(factor: float, shape: tuple[int, ...] = (8, 8, 16), seed: int = 0) -> dict[str, Array]:
    """A candidate whose error is `factor` times the source's own."""
    random = np.random.default_rng(seed)
    source = random.standard_normal(shape).astype(np.float32)
    error = 2.0**-20 * random.standard_normal(shape)
    candidate = source.astype(np.float64)
    oracle = candidate + error
    return {"candidate": oracle + factor * error, "source": source, "oracle": oracle}


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 100), st.integers(0, 50))
def test_the_ratio_decides(factor: float, seed: int) -> None:
    verdict = judged(scaled(factor, seed=seed), "float64")
    assert verdict.value == pytest.approx(factor, rel=1e-6, abs=1e-6)
    assert verdict.limit == LIMIT
    if abs(factor - LIMIT) > 1e-4:
        assert verdict.status == ("pass" if factor < LIMIT else "fail")


def test_sound_float32_passes_and_says_its_ratio() -> None:
    verdict = judged(triple())
    assert verdict.status == "pass"
    assert verdict.value == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("factor", "status"), [(2.99, "pass"), (3.01, "fail")])
def test_the_limit_is_three(factor: float, status: str) -> None:
    assert judged(scaled(factor), "float64").status == status


def test_a_ratio_that_is_not_a_number_fails() -> None:
    arrays = triple()
    arrays["oracle"][:] = 1e200  # finite, but its squares are not
    verdict = judged(arrays)
    assert verdict.status == "fail"
    assert verdict.value is not None
    assert math.isnan(verdict.value)


def test_fewer_than_64_values_are_reported() -> None:
    few, enough = (scaled(50.0, shape) for shape in ((1, 63), (1, 64)))
    assert judged(few, "float64").status == "report"
    assert judged(few, "float64").value == pytest.approx(50, rel=1e-6)
    assert judged(enough, "float64").status == "fail"


def test_64_values_may_come_from_many_batches() -> None:
    tap = TapMeasure("logits.nsp", precision="float64")
    for number in range(4):
        tap.update(**scaled(50.0, (8, 2), seed=number), batch=str(number))
    assert judge(tap).status == "fail"


@pytest.mark.parametrize("shape", [(8, 16), (2, 3)])
def test_an_exact_source_asks_for_the_same_bits_on_any_number_of_values(shape: tuple[int, ...]) -> None:
    source = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    arrays = {"candidate": source.copy(), "source": source, "oracle": source.astype(np.float64)}
    assert judged(arrays).status == "pass"
    arrays["candidate"][1, 1] = np.nextafter(arrays["candidate"][1, 1], np.float32(9))
    assert judged(arrays) == Verdict("fail", 1, 0, "the source is exact here, 1 values are not bit-equal to it")


def test_one_inexact_source_value_brings_the_ratio_back() -> None:
    source = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
    oracle = source.astype(np.float64)
    oracle[3, 3] += 1e-9
    assert judged({"candidate": source, "source": source, "oracle": oracle}).message.startswith("ratio")


def test_negative_zero_is_not_the_exact_source() -> None:
    zeros = np.zeros((8, 16), np.float32)
    assert judged({"candidate": zeros, "source": zeros, "oracle": zeros.astype(np.float64)}).status == "pass"
    assert judged({"candidate": -zeros, "source": zeros, "oracle": zeros.astype(np.float64)}).status == "fail"


def test_a_candidate_that_is_the_oracle_passes_where_nothing_else_can_be_said() -> None:
    zeros = np.zeros((8, 16), np.float32)
    assert judged({"candidate": zeros, "source": zeros, "oracle": -zeros.astype(np.float64)}).status == "pass"
    assert judged({"candidate": zeros + 1, "source": zeros, "oracle": -zeros.astype(np.float64)}).status == "fail"


def test_lower_precision_is_reported_whatever_it_deviates() -> None:
    arrays = triple()
    for precision, dtype in (("bfloat16", ml_dtypes.bfloat16), ("float16", np.float16), ("bfloat16", np.float32)):
        lower = {**arrays, "candidate": (arrays["candidate"] * 1.01).astype(dtype)}
        verdict = judged(lower, precision)
        assert verdict.status == "report"
        assert verdict.value is not None
        assert verdict.value > LIMIT


def test_lower_precision_is_still_judged_on_nan_shape_and_dtype() -> None:
    arrays = triple()
    arrays["candidate"] = arrays["candidate"].astype(np.float16)
    assert judged(arrays, "bfloat16").status == "fail"
    arrays["candidate"][0, 0, 0] = np.inf
    assert judged(arrays, "float16").status == "fail"


def test_a_precision_nobody_knows_does_not_escape_the_verdict() -> None:
    assert judged(triple(), "fp32").status == "fail"


def test_without_an_oracle_nothing_is_said_about_rounding() -> None:
    arrays = triple()
    tap = TapMeasure("x")
    tap.update(arrays["candidate"] + 1, arrays["source"], batch="a")
    assert judge(tap).status == "report"
    tap.update(None, arrays["source"], batch="b")
    assert judge(tap).status == "fail"


def test_bounds_are_upper_or_lower_and_nan_violates_both() -> None:
    figures = {"max": 1e-5, "digits": 20.0, "rms": math.nan}

    def status(**bounds: float) -> str:
        verdict = judge_bounds(figures, bounds)
        assert verdict is not None
        return verdict.status

    assert status(max=1e-5) == "pass"
    assert status(max=0.9e-5) == "fail"
    assert status(digits=20) == "pass"
    assert status(digits=21) == "fail"
    assert status(rms=math.inf) == "fail"
    assert status(max_oracle=1.0) == "fail"  # not computed
    assert status(max=1, digits=21) == "fail"
    assert judge_bounds(figures, {}) is None


@pytest.mark.parametrize("name", ["mean", "count", "nan", "ulp_p50", "cosine"])
def test_metrics_that_let_faults_pass_cannot_be_bound(name: str) -> None:
    with pytest.raises(ParityError, match="not a metric that can be bound"):
        check_bounds({name: 1.0})
    with pytest.raises(ParityError, match="not a number"):
        check_bounds({"max": math.nan})
