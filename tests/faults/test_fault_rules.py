"""The usual rules, on arrays whose verdicts are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from parity.faults.rules import RULES, Seen, objections
from parity.traces import TraceBatch

RNG = np.random.default_rng(0)
ORACLE = RNG.normal(0, 1, (4, 500))
SOURCE = (ORACLE + RNG.normal(0, 1e-7, ORACLE.shape)).astype(np.float32)
BY_NAME = {rule.name: rule for rule in RULES}


def objecting(candidate: np.ndarray) -> set[str]:
    seen = Seen.of(candidate, SOURCE, ORACLE)
    return {rule.name for rule in RULES if not rule.holds(seen)}


def offset(by: float) -> np.ndarray:
    return SOURCE + np.float32(by)


def test_nobody_objects_to_the_source_itself() -> None:
    assert objecting(SOURCE) == set()


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (offset(2e-3), {"atol 1e-3", "atol 1e-4", "atol 1e-5", "rmse 2x", "PyTorch same"}),
        (offset(5e-4), {"atol 1e-4", "atol 1e-5", "rmse 2x", "PyTorch same"}),
        (offset(5e-5), {"atol 1e-5", "rmse 2x"}),
        (offset(5e-6), {"rmse 2x"}),
        (-SOURCE, set(BY_NAME)),
    ],
)
def test_each_rule_objects_from_its_own_size_on(candidate: np.ndarray, expected: set[str]) -> None:
    found = objecting(candidate)
    # Rounding of the sum is what std may see of a constant offset.
    assert found - {"std 4e-7"} == expected - {"std 4e-7"}


def test_a_constant_offset_is_nothing_to_a_correlation() -> None:
    seen = Seen.of(offset(3.0), SOURCE, ORACLE)
    assert BY_NAME["PCC 0.99"].holds(seen)
    assert not BY_NAME["cosine 0.999"].holds(seen)


def test_a_factor_is_nothing_to_a_cosine() -> None:
    seen = Seen.of(SOURCE * np.float32(2), SOURCE, ORACLE)
    assert BY_NAME["cosine 0.999"].holds(seen)
    assert not BY_NAME["SGLang 1e-3"].holds(seen)


def test_noise_of_the_notebooks_size_is_where_std_begins_to_object() -> None:
    noise = RNG.normal(0, 1, ORACLE.shape).astype(np.float32)
    assert BY_NAME["std 4e-7"].holds(Seen.of(SOURCE + 1e-7 * noise, SOURCE, ORACLE))
    assert not BY_NAME["std 4e-7"].holds(Seen.of(SOURCE + 1e-6 * noise, SOURCE, ORACLE))


def test_nan_is_red_under_every_rule() -> None:
    spoilt = SOURCE.copy()
    spoilt[0, 0] = np.nan
    assert objecting(spoilt) == set(BY_NAME)


def test_padding_is_not_looked_at_and_one_bad_batch_is_enough() -> None:
    inputs = {"input_ids": np.zeros((1, 4), np.int32), "attention_mask": np.array([[1, 1, 1, 0]], np.int32)}
    truth = ORACLE.reshape(-1, 4, 125)[:2, None].reshape(2, 1, 4, 125)

    def batches(change: float, at: tuple[int, int]) -> list[TraceBatch]:
        found = []
        for number in range(2):
            array = truth[number].astype(np.float32)
            if number == at[0]:
                array[0, at[1]] += np.float32(change)
            found.append(TraceBatch({"layer.0": array}, inputs))
        return found

    oracle = [TraceBatch({"layer.0": truth[number]}, inputs) for number in range(2)]
    plain = batches(0.0, (0, 0))
    assert not any(objections({"layer.0": "BTC"}, batches(1.0, (0, 3)), plain, oracle).values())
    assert objections({"layer.0": "BTC"}, batches(1.0, (1, 2)), plain, oracle)["atol 1e-3"]
