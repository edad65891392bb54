"""A search finds what breaks, tells parties apart that break together, and is the same twice where it should be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import strategies as st

from parity.models.cache import cache_root
from parity.runs.hunting import Hunt, Look, Plan, hunt
from parity.runs.options import RunOptions

NUMBERS = st.integers(0, 10_000)
ALWAYS = Plan(200, None)


def search(limits: Mapping[str, int], plan: Plan = ALWAYS) -> Hunt[int]:
    def look(number: int) -> Mapping[str, Look]:
        return {party: Look(number >= limit, number / limit) for party, limit in limits.items()}

    return hunt([(1, NUMBERS)], look, size=lambda number: (number,), plan=plan)


def test_the_sound_break_at_nothing() -> None:
    found = search({"sound": 20_000})
    assert (found.shortest, found.first) == ({}, {})
    assert found.examples >= 100


def test_what_breaks_is_shrunk_to_the_least() -> None:
    found = search({"sound": 20_000, "weak": 300})
    assert found.shortest == {"weak": 300}
    assert 1 <= found.first["weak"] <= 200


def test_parties_that_break_together_get_an_example_each() -> None:
    # Whatever breaks `robust` breaks the other two as well, which come first.
    found = search({"weak": 300, "weaker": 200, "robust": 5000})
    assert found.shortest == {"weak": 300, "weaker": 200, "robust": 5000}


def test_every_part_has_its_share_and_who_broke_is_left_alone() -> None:
    seen: list[int] = []

    def look(number: int) -> Mapping[str, Look]:
        seen.append(number)
        return {"weak": Look(number >= 20), "robust": Look(number >= 5000), "sound": Look(False)}

    parts = [(1, st.integers(0, 10)), (2, st.integers(100, 200)), (1, st.integers(1000, 9000))]
    found = hunt(parts, look, size=lambda number: (number,), plan=Plan(80, 1))
    assert found.shortest == {"weak": 100, "robust": 5000}
    assert found.first["weak"] > sum(number <= 10 for number in seen) > 0
    assert found.first["robust"] > found.first["weak"]


def test_ci_looks_at_the_same_examples_every_time() -> None:
    seen: list[list[int]] = [[], []]
    for numbers in seen:
        hunt(
            [(1, NUMBERS)], lambda number, n=numbers: n.append(number) or {}, size=lambda number: (number,), plan=ALWAYS
        )
    assert seen[0] == seen[1]


def test_a_seed_gives_its_examples_again_and_another_gives_others() -> None:
    seen: dict[str, list[int]] = {"one": [], "again": [], "other": []}
    for numbers, seed in zip(seen.values(), (1, 1, 2), strict=True):
        plan = Plan(50, seed)
        hunt([(1, NUMBERS)], lambda number, n=numbers: n.append(number) or {}, size=lambda number: (number,), plan=plan)
    assert seen["one"] == seen["again"] != seen["other"]


def test_ratios_are_driven_up() -> None:
    def look(number: int) -> Mapping[str, Look]:
        seen.append(number)
        return {"one": Look(False, float(number))}

    seen: list[int] = []
    hunt([(1, st.integers(0, (1 << 40) + 12345))], look, size=lambda number: (number,), plan=Plan(400, 5))
    assert max(seen) == (1 << 40) + 12345


def test_what_is_not_a_number_neither_breaks_nor_stops_the_search() -> None:
    found = hunt([(1, NUMBERS)], lambda number: {"one": Look(False, float("nan"))}, size=lambda n: (n,), plan=ALWAYS)
    assert found.shortest == {}


def test_what_the_examination_raises_passes_through() -> None:
    def look(number: int) -> Mapping[str, Look]:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        hunt([(1, NUMBERS)], look, size=lambda number: (number,), plan=ALWAYS)


def test_nothing_is_written_where_the_run_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Plan(50, 3, "elsewhere")
    hunt([(1, st.text())], lambda text: {"one": Look(len(text) > 2)}, size=lambda text: (len(text),), plan=plan)
    assert list(tmp_path.iterdir()) == []
    assert any((cache_root() / "hypothesis" / "examples").rglob("*"))


def test_what_failed_is_tried_first_the_next_time() -> None:
    def look(number: int) -> Mapping[str, Look]:
        seen.append(number)
        return {"one": Look(number == 4711)}

    seen: list[int] = []
    hunt([(1, NUMBERS)], lambda number: {"one": Look(number > 4710)}, size=lambda n: (n,), plan=Plan(300, 1, "memory"))
    found = hunt([(1, NUMBERS)], look, size=lambda number: (number,), plan=Plan(20, 2, "memory"))
    assert seen[0] == 4711
    assert found.first == {"one": 1}


def test_profiles() -> None:
    nightly = RunOptions(profile="nightly", examples=7)
    assert Plan.of(RunOptions(), 20, "") == Plan(20, None)
    assert Plan.of(RunOptions(seed=4), 20, "") == Plan(20, 4)
    assert Plan.of(nightly, 20, "").examples == 7
    assert Plan.of(nightly, 20, "").seed != Plan.of(nightly, 20, "").seed
    assert Plan.of(nightly, 20, "here").memory == "here"
    assert Plan.of(RunOptions(profile="nightly", seed=4), 20, "").told == ", --seed 4"
