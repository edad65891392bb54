"""The rules on text, before any vocabulary."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.inputs.normalise import clean, without_accents, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\0b\ufffdc", "abc"),
        ("a\tb\nc\rd", "a b c d"),
        ("zero\u200bwidth, soft\u00adhyphen, \u200eleft", "zerowidth, softhyphen, left"),
        ("vertical\x0btab, next\x85line", "verticaltab, nextline"),
        ("no\u00a0break, thin\u2009space", "no break, thin space"),
        ("line\u2028and paragraph\u2029stay", "line\u2028and paragraph\u2029stay"),
        ("private\ue000 and unassigned\u0378 stay", "private\ue000 and unassigned\u0378 stay"),
    ],
)
def test_cleaning(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't!", ["Don", "'", "t", "!"]),
        ("a+b=$5~", ["a", "+", "b", "=", "$", "5", "~"]),
        ("«Да», — сказал", ["«", "Да", "»", ",", "—", "сказал"]),
        ("5 € и 1 № §", ["5", "€", "и", "1", "№", "§"]),
        ("我在Москва。", ["我", "在", "Москва", "。"]),
        ("かなと한국", ["かなと한국"]),
        ("\U00020000x\U0002fa1f", ["\U00020000", "x", "\U0002fa1f"]),
        ("line\u2028break", ["line", "break"]),
        ("[MASK]", ["[", "MASK", "]"]),
        ("", []),
        (" \t\u200b ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text, lower_case=False, strip_accents=False) == expected


@pytest.mark.parametrize(
    ("lower_case", "strip_accents", "expected"),
    [
        (False, False, ["Åse", "Йод", "Ёж", "ÆØ", "é"]),
        (True, False, ["åse", "йод", "ёж", "æø", "é"]),
        (False, True, ["Ase", "Иод", "Еж", "ÆØ", "e"]),
        (True, True, ["ase", "иод", "еж", "æø", "e"]),
    ],
)
def test_casing_and_accents_are_two_switches(lower_case: bool, strip_accents: bool, expected: list[str]) -> None:
    assert words("Åse Йод Ёж ÆØ é", lower_case=lower_case, strip_accents=strip_accents) == expected


def test_a_cased_text_keeps_its_normal_form() -> None:
    composed, decomposed = "й", unicodedata.normalize("NFD", "й")
    assert words(composed, lower_case=False, strip_accents=False) == [composed]
    assert words(decomposed, lower_case=False, strip_accents=False) == [decomposed]
    assert without_accents(composed) == without_accents(decomposed) == "и"


@pytest.mark.parametrize(
    "block",
    ["3400-4DBF", "4E00-9FFF", "F900-FAFF", "20000-2A6DF", "2A700-2B73F", "2B740-2B81F", "2B820-2CEAF", "2F800-2FA1F"],
)
def test_each_block_of_ideographs_to_its_ends(block: str) -> None:
    first, last = (int(end, 16) for end in block.split("-"))
    for char in (chr(first), chr(last)):
        assert words(f"a{char}b", lower_case=False, strip_accents=False) == ["a", char, "b"]
    for char in (chr(0x33FF), chr(0x4DC0), chr(0xA000), chr(0xFB00), chr(0x1FFFF), chr(0x2A6E0), chr(0x2FA20)):
        assert words(f"a{char}b", lower_case=False, strip_accents=False) == [f"a{char}b"]


def test_every_character_alone() -> None:
    """Sampled over all planes: no code point raises, and no punctuation sticks to its neighbours."""
    for code in range(0, sys.maxunicode + 1, 41):
        char = chr(code)
        found = words(f"a{char}b", lower_case=True, strip_accents=True)
        if unicodedata.category(char).startswith("P"):
            assert found == ["a", *without_accents(char), "b"], hex(code)
        assert found, hex(code)


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(), st.booleans(), st.booleans())
def test_words_hold_something_and_no_white_space(text: str, lower_case: bool, strip_accents: bool) -> None:
    found = words(text, lower_case=lower_case, strip_accents=strip_accents)
    assert all(word and not any(char.isspace() for char in word) for word in found)


@given(st.text(), st.text(), st.booleans())
def test_a_space_separates(first: str, second: str, lower: bool) -> None:
    together = words(f"{first} {second}", lower_case=lower, strip_accents=lower)
    apart = [words(text, lower_case=lower, strip_accents=lower) for text in (first, second)]
    assert together == apart[0] + apart[1]
