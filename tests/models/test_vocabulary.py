from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.inputs.normalise import words
from parity.models.vocabulary import build_vocabulary

SPECIAL = {"[PAD]": 0, "[UNK]": 3, "[CLS]": 4, "[SEP]": 5, "[MASK]": 6}
TEXTS = ["Ёлка и ёжик, ёлка и åål.", "ёжики Ёлки ёжики", "下雨了 rained raining rainy RAIN"]


def _splitter(*, lower_case: bool = False, strip_accents: bool = False) -> Callable[[str], list[str]]:
    return lambda text: words(text, lower_case=lower_case, strip_accents=strip_accents)


def _rows(texts: list[str], size: int = 400, **casing: bool) -> tuple[str, ...]:
    return build_vocabulary(texts, words=_splitter(**casing), special=SPECIAL, size=size)


def test_special_tokens_lie_where_the_card_says_and_gaps_are_unused() -> None:
    rows = _rows(TEXTS)
    assert {token: rows.index(token) for token in SPECIAL} == SPECIAL
    assert rows[1:3] == ("[unused1]", "[unused2]")
    assert rows[-1] == f"[unused{sum(row.startswith('[unused') for row in rows)}]"
    assert len(rows) == 400


def test_every_character_has_a_row_and_inner_ones_a_continuation() -> None:
    rows = set(_rows(TEXTS))
    text = [word for line in TEXTS for word in _splitter()(line)]
    assert {character for word in text for character in word} <= rows
    assert {f"##{character}" for word in text if len(word) > 1 for character in word} <= rows
    assert "##雨" not in rows


def test_frequent_words_and_pieces_are_rows_and_rare_ones_are_not() -> None:
    rows = _rows(TEXTS)
    assert {"ёжики", "и"} <= set(rows)
    assert {"ёж", "##ики", "rain"} <= set(rows)
    assert not {"rainy", "rained", "ёжик"} & set(rows)


@pytest.mark.parametrize(
    ("casing", "there", "gone"),
    [
        ({}, ["Ё", "ё", "å", "A"], []),
        ({"lower_case": True}, ["ё", "å"], ["Ё", "A"]),
        ({"lower_case": True, "strip_accents": True}, ["е", "a"], ["Ё", "ё", "å", "A"]),
    ],
)
def test_rows_are_only_what_the_normaliser_makes(casing: dict[str, bool], there: list[str], gone: list[str]) -> None:
    rows = set(_rows(TEXTS, **casing))
    assert set(there) <= rows
    assert not set(gone) & rows
    learned = {row.removeprefix("##") for row in rows if not (row.startswith("[") and len(row) > 1)}
    assert all(_splitter(**casing)(row) == [row] for row in learned)


def test_no_room_for_the_characters() -> None:
    with pytest.raises(ParityError, match="too small for the corpora's characters"):
        _rows(TEXTS, size=100)


@given(texts=st.lists(st.text(max_size=60), max_size=6), lower_case=st.booleans(), strip_accents=st.booleans())
def test_any_texts_give_as_many_different_rows_as_asked_for(
    texts: list[str], lower_case: bool, strip_accents: bool
) -> None:
    rows = _rows(texts, size=1200, lower_case=lower_case, strip_accents=strip_accents)
    assert len(rows) == len(set(rows)) == 1200
    assert all(rows[index] == token for token, index in SPECIAL.items())
    # A row of the file is one line, and reading strips it.
    assert all(row == row.strip() and row and "\n" not in row for row in rows)
