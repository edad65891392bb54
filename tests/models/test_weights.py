from __future__ import annotations

import numpy as np
import pytest

from parity.families.values import Role, Variable
from parity.models import weights
from parity.models.weights import SPREAD, draw, specs
from parity.tensorfile import Array

VARIABLES = (
    Variable("table", (3000, 20), "embedding"),
    Variable("dense/kernel", (200, 300), "kernel"),
    Variable("dense/bias", (60000,), "bias"),
    Variable("norm/gamma", (60000,), "gamma"),
    Variable("norm/beta", (60000,), "beta"),
)


def _drawn(
    variables: tuple[Variable, ...] = VARIABLES, slots: tuple[str, ...] = (), seed: str = "s"
) -> dict[str, Array]:
    tensors = specs(variables, slots)
    return {spec.name: array for spec, array in zip(tensors, draw(tensors, variables, seed=seed), strict=True)}


def test_specs_are_sorted_and_hold_slots_and_step() -> None:
    found = specs(VARIABLES[:1], ("adam_m", "adam_v"))
    assert [(spec.name, spec.dtype, spec.shape) for spec in found] == [
        ("global_step", "int64", ()),
        ("table", "float32", (3000, 20)),
        ("table/adam_m", "float32", (3000, 20)),
        ("table/adam_v", "float32", (3000, 20)),
    ]


@pytest.mark.parametrize(("name", "role"), [(variable.name, variable.role) for variable in VARIABLES])
def test_values_follow_the_recipe(name: str, role: Role) -> None:
    recipe: dict[Role, tuple[float, float]] = {
        "kernel": (0, 0.04), "embedding": (0, 0.05), "gamma": (1, 0.1), "beta": (0, 0.1), "bias": (0, 0.1),
    }  # fmt: skip
    mean, deviation = recipe[role]
    values = _drawn()[name]
    # 60,000 samples: five standard errors.
    assert values.dtype == np.float32
    assert abs(values.mean(dtype=np.float64) - mean) < 5 * deviation / 60000**0.5
    assert abs(values.std(dtype=np.float64) - deviation) < 5 * deviation / 120000**0.5
    assert SPREAD[role] == (mean, deviation)


def test_order_and_company_change_nothing() -> None:
    alone = _drawn(VARIABLES[1:2])
    assert np.array_equal(alone["dense/kernel"], _drawn(VARIABLES[::-1])["dense/kernel"])


def test_every_variable_and_seed_draws_anew() -> None:
    first, second = _drawn(), _drawn(seed="t")
    assert not np.array_equal(first["table"], second["table"])
    assert not np.array_equal(first["dense/bias"], first["norm/beta"])


def test_blocks_of_one_variable_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_BLOCK", 30000)
    values = _drawn(VARIABLES[2:3])["dense/bias"]
    assert not np.array_equal(values[:30000], values[30000:])


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_BLOCK", 1000)
    two = _drawn()
    monkeypatch.setattr(weights, "_THREADS", 1)
    assert all(np.array_equal(array, two[name]) for name, array in _drawn().items())


def test_slots_are_small_and_the_step_is_a_scalar() -> None:
    found = _drawn(VARIABLES[:1], ("adam_m",))
    assert 0 < np.abs(found["table/adam_m"]).max() < 0.01
    assert found["global_step"].shape == ()
    assert found["global_step"].dtype == np.int64
