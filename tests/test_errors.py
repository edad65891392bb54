from __future__ import annotations

from pathlib import Path

import pytest

from parity.errors import BrokenParity, MissingRuntime, ParityError, Problems


def test_a_message_says_what_where_got_expected_and_what_to_do() -> None:
    error = ParityError("wrong size", where=Path("a/b"), got=3, expected=[4], remedy="take another")
    assert str(error) == "a/b: wrong size (got 3, expected [4]); take another"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "wrong"),
        ({"where": "f"}, "f: wrong"),
        ({"got": 0}, "wrong (got 0)"),
        ({"got": ""}, "wrong (got )"),
        ({"expected": False}, "wrong (expected False)"),
        ({"remedy": "mend"}, "wrong; mend"),
    ],
)
def test_only_what_is_known_is_said_and_zero_is_known(fields: dict[str, object], text: str) -> None:
    assert str(ParityError("wrong", **fields)) == text  # type: ignore[arg-type]


def test_text_from_outside_neither_commands_a_terminal_nor_breaks_lines() -> None:
    error = ParityError("no \x1b[31mtensor\r å ж", where="a\nb", got="x\ny", expected="\u2028", remedy="mend\tit")
    assert str(error) == r"a\nb: no \x1b[31mtensor\r å ж (got x\ny, expected \u2028); mend\tit"
    problems = Problems("wrong", where="a\x07b")
    problems.add("one")
    problems.add("two")
    with pytest.raises(ParityError) as caught:
        problems.raise_if_any()
    assert str(caught.value).splitlines() == [r"a\x07b: wrong: 2 problems", "  - one", "  - two"]


def test_each_kind_has_its_exit_code() -> None:
    assert [kind.exit_code for kind in (ParityError, BrokenParity, MissingRuntime)] == [2, 1, 3]
    assert issubclass(BrokenParity, ParityError)
    assert issubclass(MissingRuntime, ParityError)


def test_no_problem_is_no_error() -> None:
    problems = Problems("it does not fit", where="here")
    problems.raise_if_any()
    assert len(problems) == 0


def test_a_single_problem_is_said_as_it_is_with_the_kind_asked_for() -> None:
    problems = Problems("it does not fit", where="here")
    problems.add("too long", got=3, expected=2, remedy="cut it")
    with pytest.raises(BrokenParity) as caught:
        problems.raise_if_any(BrokenParity)
    assert str(caught.value) == "here: too long (got 3, expected 2); cut it"


def test_several_problems_come_at_once_a_line_each_and_name_the_common_place_once() -> None:
    problems = Problems("it does not fit", where="here")
    problems.add("too long", remedy="cut it")
    problems.extend([ParityError("missing", where="there"), ParityError("torn", where="here")])
    assert len(problems) == 3
    with pytest.raises(ParityError) as caught:
        problems.raise_if_any()
    assert type(caught.value) is ParityError
    assert str(caught.value).splitlines() == [
        "here: it does not fit: 3 problems",
        "  - too long; cut it",
        "  - there: missing",
        "  - torn",
    ]


def test_a_flood_is_cut_and_counted() -> None:
    problems = Problems("it does not fit", limit=2)
    for number in range(5):
        problems.add(f"number {number}")
    with pytest.raises(ParityError) as caught:
        problems.raise_if_any()
    assert str(caught.value).splitlines()[1:] == ["  - number 0", "  - number 1", "  - and 3 more"]
