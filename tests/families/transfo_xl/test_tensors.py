"""What tensors tell of the flags, and where they contradict them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from small_transfo_xl import LM, NONE, VARIANTS, XL, config, flags

from parity.families.transfo_xl.numbers import TransfoXLConfig
from parity.families.values import Head

Shapes = dict[str, tuple[int, ...]]
TOLD = ("n_token", "n_layer", "d_model", "d_embed", "n_head", "d_head", "d_inner", "cutoffs", "untie_r", "div_val")


def shapes(given: TransfoXLConfig, head: Head = LM) -> Shapes:
    return {variable.name: variable.shape for variable in XL.variables(given, head)}


def infer(held: Shapes) -> dict[str, Any]:
    assert XL.infer is not None
    return XL.infer(held)


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_that_makes_a_variable_is_read_off_the_variables(variant: str) -> None:
    given = config(flags(variant))
    found = infer(shapes(given))
    assert {key: found[key] for key in TOLD} == {key: flags(variant)[key] for key in TOLD}
    assert tuple(found["tie_projs"]) == given.tie_projs
    assert found.get("proj_same_dim", given.proj_same_dim) == given.proj_same_dim
    asked = {key: flags(variant)[key] for key in ("mem_len", "clamp_len", "same_length")}
    again = config({**found, **asked})
    assert shapes(again) == shapes(given)
    assert XL.misfits(given, shapes(given)) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_bare_models_variables_tell_the_body(variant: str) -> None:
    given = config(flags(variant))
    found = infer(shapes(given, NONE))
    assert "tie_projs" not in found
    assert (found["n_token"], found["d_embed"]) == (given.vocab_size, given.d_embed)
    assert XL.misfits(given, shapes(given, NONE)) == []


@settings(max_examples=60, deadline=None)
@drawn(
    width=st.integers(8, 300),
    div_val=st.integers(2, 6),
    cutoffs=st.sets(st.integers(1, 99), min_size=1, max_size=3),
)
def test_any_division_is_found_again_or_one_that_makes_the_same_tables(
    width: int, div_val: int, cutoffs: set[int]
) -> None:
    if width // div_val ** len(cutoffs) == 0:
        return
    raw = flags() | {"n_token": 100, "d_embed": width, "div_val": div_val, "cutoffs": sorted(cutoffs)}
    held = shapes(config(raw))
    found = infer(held)
    assert found["div_val"] <= div_val
    assert shapes(config({**raw, **found})) == held


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n_layer": 3}, ("n_layer", 3, 2)),
        ({"n_head": 4}, ("n_head", 4, 3)),
        ({"d_head": 5}, ("d_head", 5, 4)),
        ({"d_inner": 21}, ("d_inner", 21, 20)),
        ({"untie_r": False}, ("untie_r", 0, 1)),
        ({"div_val": 1}, ("div_val", 1, 2)),
        ({"cutoffs": [10, 26, 40]}, ("rows of cluster 1 by cutoffs [10, 26, 40]", 16, 15)),
        ({"cutoffs": [10, 25]}, ("clusters by cutoffs [10, 25]", 3, 4)),
        ({"n_token": 61}, ("rows of cluster 3 by cutoffs [10, 25, 40]", 21, 20)),
        ({"d_embed": 18}, ("d_embed", 18, 16)),
        ({"div_val": 3, "d_embed": 27}, ("columns of cluster 1 by d_embed and div_val", 9, 8)),
        ({"proj_share_all_but_first": False}, ("tie_projs[1]", 0, 1)),
    ],
    ids=str,
)
def test_flags_that_contradict_the_tensors_are_named_with_both_numbers(
    changes: dict[str, Any], expected: tuple[str, int, int]
) -> None:
    wrong = config(flags() | changes)
    assert expected in [misfit[:3] for misfit in XL.misfits(wrong, shapes(config(flags())))]


def test_one_table_contradicts_a_division() -> None:
    found = XL.misfits(config(flags()), shapes(config(flags("one table"))))
    assert ("div_val", 2, 1, "transformer/adaptive_embed/lookup_table") in found


def test_broken_shapes_are_no_reason_to_stumble() -> None:
    held = shapes(config(flags()))
    for name in held:
        for broken in ((), (0,), (3, 0), (1, 2, 3, 4)):
            changed = held | {name: broken}
            infer(changed)
            XL.misfits(config(flags()), changed)
    assert infer({}) == {}
