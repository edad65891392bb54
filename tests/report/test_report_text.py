"""Foreign text is shown, never obeyed; numbers fit their cells."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from parity.report.text import (
    code,
    count,
    excerpt,
    many,
    markdown,
    moment,
    occurrences,
    plain,
    ratio,
    sci,
    seconds,
    size,
    visible,
)

ANY_TEXT = st.text(alphabet=st.characters())


@given(ANY_TEXT)
def test_visible_leaves_nothing_that_acts(text: str) -> None:
    shown = visible(text)
    assert all(c.isprintable() or c in "\n\t\u00a0\u202f\u200c\u200d" for c in shown)
    shown.encode("utf-8")
    assert visible(shown) == shown


def test_visible_spells_out_direction_overrides_and_keeps_scripts_and_emoji() -> None:
    assert visible("a\u202eb\u2028\x00") == "a⟨U+202E⟩b⟨U+2028⟩⟨U+0000⟩"
    for kept in (count(12345), "ёлка å 中文 עברית", "👩\u200d🚀 👍🏽", "می\u200cخواهم", "a\n\tb"):
        assert visible(kept) == kept
    assert visible(Markup("<b>\u202e")) == "<b>\u202e"
    assert visible(3.5) == 3.5


@pytest.mark.parametrize(
    ("text", "token", "found"),
    [
        ("Стоит ёлка, ЁЛКА!", "елка", ["ёлка", "ЁЛКА"]),
        ("Стоит ёлка", "ёлка", ["ёлка"]),
        ("unbelievable belief", "bel", ["bel"]),
        ("unbelievable belief", "##bel", ["bel"]),
        ("Blåbær", "##bær", ["bær"]),
        ("我们在北京", "北", ["北"]),
        ("one, two", ",", [","]),
        ("a ## b", "##", ["##"]),
        ("[CLS] is not here", "[SEP]", []),
        ("straße", "strasse", ["straße"]),
        ("anything", "", []),
    ],
)
def test_a_word_piece_is_found_where_it_can_come_from(text: str, token: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in occurrences(text, token)] == found


@given(ANY_TEXT, st.text(max_size=4), st.integers(10, 60))
def test_an_excerpt_is_part_of_the_text(text: str, token: str, width: int) -> None:
    pieces = excerpt(text, token, width=width)
    shown = "".join(piece.text for piece in pieces)
    cut_left = bool(pieces) and pieces[0].text == "…" and not text.startswith(shown.rstrip("…"))
    inner = shown[cut_left:]
    assert (inner.removesuffix("…") in text) or inner in text
    assert len(shown) <= width + 2


def test_a_long_text_is_cut_around_the_marked_token() -> None:
    pieces = excerpt("word " * 300 + "ёлка" + " word" * 300, "елка", width=80)
    assert [piece.text for piece in pieces if piece.marked] == ["ёлка"]
    assert (pieces[0].text, pieces[-1].text) == ("…", "…")
    assert sum(len(piece.text) for piece in pieces) == 82


def test_a_very_long_word_is_cut_too() -> None:
    pieces = excerpt("x" * 10_000, None, width=100)
    assert sum(len(piece.text) for piece in pieces) == 101


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *(
            (None, "–"),
            (0.0, "0.00"),
            (0.996, "1.00"),
            (9.996, "10.0"),
            (99.96, "100"),
            (953.2, "953"),
            (1244.0, "1244"),
        ),
        *((4.2e5, "4.2e5"), (1e300, "1.0e300"), (math.nan, "NaN"), (math.inf, "∞")),
    ],
)
def test_ratios_fit_a_cell(value: float | None, shown: str) -> None:
    assert ratio(value) == shown


def test_other_numbers() -> None:
    assert [sci(value) for value in (3.6e-7, 0.0, 1.5e-10, math.nan, None)] == ["3.60e-7", "0", "1.50e-10", "NaN", "–"]
    assert [seconds(value) for value in (0.04, 3.21, 72.0, 100.0, 185.0)] == [
        "0.04 s",
        "3.2 s",
        "72.0 s",
        "100 s",
        "3 min 05 s",
    ]
    assert [size(value) for value in (12, 2e6, 1.64e9)] == ["12 B", "2 MB", "1.6 GB"]
    assert [many(value, "layer") for value in (1, 12345)] == ["1 layer", "12\u202f345 layers"]
    assert moment("2026-03-01T10:00:00+01:00") == "2026-03-01 09:00 UTC"
    assert moment("yesterday") == "yesterday"


def test_quoted_commands_become_code_and_nothing_else_does() -> None:
    assert code("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"
    assert code("a lone ` tick <i>") == "a lone ` tick &lt;i&gt;"


def test_markdown_and_terminal_text_are_literal() -> None:
    assert markdown("a|b\n<script>*x*") == r"a\|b &lt;script&gt;\*x\*"
    assert plain("\x1b[31mred\x1b[0m") == "red"
