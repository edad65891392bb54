"""Texts cut to a number of pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.inputs.corpora import sentences
from parity.inputs.passages import Passages
from parity.inputs.wordpiece import Tokenizer

from .support import letters, tokenizer

LETTERS = letters()
TEXTS = st.lists(st.text() | st.text(alphabet="theing .,'\t\x0b\x1c\x85\u2028\u00a0\u200bΣ好", min_size=1), min_size=1)


@given(TEXTS, st.integers(0, 3), st.integers(1, 30), st.booleans())
def test_a_passage_has_exactly_its_number_of_pieces(texts: list[str], number: int, limit: int, lower: bool) -> None:
    ours = Tokenizer(LETTERS.vocab, lower_case=lower, strip_accents=lower)
    passages = Passages(ours, texts)
    assert len(ours.tokenize(passages.passage(number, limit))) == limit
    assert len(ours.tokenize(passages.text(number, limit))) <= limit


@given(TEXTS, st.integers(1, 30))
def test_a_text_that_fits_is_left_as_it_is(texts: list[str], limit: int) -> None:
    cut = Passages(LETTERS, texts).text(0, limit)
    assert texts[0].startswith(cut) or cut in texts[0]
    if len(LETTERS.tokenize(texts[0])) <= limit:
        assert cut == texts[0]


@pytest.mark.parametrize(
    ("limit", "cut"),
    [
        (1, "the"),
        (2, "the the"),
        (3, "the the好"),
        (6, "the the好,"),
        (7, "the the好, thing"),
        (11, "the the好, thing thingx"),
    ],
)
def test_cut_at_words_and_ideographs(limit: int, cut: str) -> None:
    assert Passages(LETTERS, ["the the好, thing thingx"]).text(0, limit) == cut


@pytest.mark.parametrize("deleted", ["\x0b", "\x0c", "\x1c", "\x1f", "\x85"])
def test_white_space_that_cleaning_deletes_is_no_boundary(deleted: str) -> None:
    text = f"th{deleted}ing"
    assert LETTERS.tokenize(text) == ["t", "##h", "##ing"]
    assert Passages(LETTERS, [text]).text(0, 3) == text


def test_a_word_too_long_is_cut_within() -> None:
    assert Passages(LETTERS, [" abcdef"]).text(0, 4) == "abcd"
    assert Passages(LETTERS, ["abcdef"]).text(0, 0) == ""


def test_one_known_piece() -> None:
    passages = Passages(tokenizer("the", ".", "a", "##b"), ["xyz ab, a the", "xyz"])
    assert passages.single_piece(0) == "a"
    assert passages.single_piece(1) == "."


def test_our_sentences_fill_any_length(golden_tokenizer: Tokenizer) -> None:
    passages = Passages(golden_tokenizer, sentences())
    for number, limit in enumerate(range(1, 511, 37)):
        text = passages.passage(number, limit)
        assert len(golden_tokenizer.tokenize(text)) == limit
        assert text.count(" .") < 12, "mostly sentences, not filler"
