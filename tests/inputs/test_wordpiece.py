"""The tokenizer against the original's own output, and laws that hold for any text."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.inputs.normalise import words
from parity.inputs.vocabulary import Vocabulary
from parity.inputs.wordpiece import Tokenizer, read_vocab

from .support import BERT_GOLDENS, GOLDENS, letters, tokenizer, vocabulary

LETTERS = letters()


@pytest.mark.parametrize("case", BERT_GOLDENS)
@pytest.mark.parametrize(("mode", "lower"), [("lower", True), ("cased", False)])
def test_every_golden_text(case: str, mode: str, lower: bool) -> None:
    original = json.loads((GOLDENS / case / "tokens.json").read_text(encoding="utf-8"))["items"]
    ours = Tokenizer(read_vocab(GOLDENS / case / "vocab.txt"), lower_case=lower, strip_accents=lower)
    assert len(original) == 232
    for item in original:
        text = item["text"]
        assert words(text, lower_case=lower, strip_accents=lower) == item[f"basic_{mode}"], ascii(text)
        assert ours.tokenize(text) == item[mode]["tokens"], ascii(text)
        assert ours.ids(text) == item[mode]["ids"], ascii(text)


def test_longest_match_wins_and_one_hole_loses_the_word() -> None:
    ours = tokenizer("un", "una", "##aff", "##able", "##ffable", "a")
    assert ours.tokenize("unaffable a unaffablex") == ["una", "##ffable", "a", "[UNK]"]
    assert ours.ids("unaffable x") == [6, 9, 1]


def test_danish_keeps_its_letters() -> None:
    ours = tokenizer("sål", "sal", "æble", lower_case=True)
    assert ours.tokenize("SÅL Sal Æble") == ["sål", "sal", "æble"]
    stripping = tokenizer("sål", "sal", "æble", lower_case=True, strip_accents=True)
    assert stripping.tokenize("SÅL Sal Æble") == ["sal", "sal", "æble"]


def test_special_tokens_in_a_text_are_plain_text() -> None:
    ours = tokenizer("[", "]", "MASK", "CLS")
    assert ours.tokenize("[MASK] [CLS]") == ["[", "MASK", "]", "[", "CLS", "]"]


def test_two_hundred_characters_are_a_word_and_one_more_is_not() -> None:
    ours = tokenizer("x", "##x")
    assert ours.tokenize("x" * 200) == ["x"] + ["##x"] * 199
    assert ours.tokenize("x" * 201) == ["[UNK]"]
    assert Tokenizer(ours.vocab, lower_case=False, strip_accents=False, longest_word=100).tokenize("x" * 101) == [
        "[UNK]"
    ]


def test_of_a_piece_that_stands_twice_the_later_line_counts() -> None:
    ours = Tokenizer(vocabulary("a", "b", "a"), lower_case=False, strip_accents=False)
    assert ours.ids("a b") == [7, 6]


def test_rows() -> None:
    ours = tokenizer("a", "b", "c")
    assert ours.encode("a b", max_length=9).input_ids == (2, 5, 6, 3)
    assert ours.encode("a b", max_length=9).token_type_ids == (0, 0, 0, 0)
    assert ours.encode("a b", "c", max_length=9).input_ids == (2, 5, 6, 3, 7, 3)
    assert ours.encode("a b", "c", max_length=9).token_type_ids == (0, 0, 0, 0, 1, 1)
    assert ours.encode("a", "", max_length=9).input_ids == (2, 5, 3, 3)
    assert ours.encode("a", "", max_length=9).token_type_ids == (0, 0, 0, 1)
    assert ours.encode("", max_length=9).input_ids == (2, 3)


@pytest.mark.parametrize(
    ("first", "second", "most", "ids"),
    [
        ("a b c", None, 4, (2, 5, 6, 3)),
        ("a b c", "a b c", 9, (2, 5, 6, 7, 3, 5, 6, 7, 3)),
        ("a b c", "a b c", 8, (2, 5, 6, 7, 3, 5, 6, 3)),
        ("a b c", "a b c", 7, (2, 5, 6, 3, 5, 6, 3)),
        ("a b c a b c", "a", 7, (2, 5, 6, 7, 3, 5, 3)),
        ("a", "a b c", 5, (2, 5, 3, 5, 3)),
        ("a", "b", 3, (2, 3, 3)),
    ],
)
def test_what_is_too_long_loses_its_end(first: str, second: str | None, most: int, ids: tuple[int, ...]) -> None:
    assert tokenizer("a", "b", "c").encode(first, second, max_length=most).input_ids == ids


@pytest.mark.parametrize(("pair", "most"), [(None, 1), ("b", 2)])
def test_no_room_is_an_error(pair: str | None, most: int) -> None:
    with pytest.raises(ParityError, match="no room"):
        tokenizer("a").encode("a", pair, max_length=most)


def test_a_vocabulary_without_special_tokens_is_refused() -> None:
    bare = Vocabulary.of(["[CLS]", "a"], path=vocabulary().path)
    with pytest.raises(ParityError, match=r"vocab\.txt: no \[UNK\], \[SEP\] in the vocabulary"):
        Tokenizer(bare, lower_case=False, strip_accents=False)


ANY_TEXT = st.text() | st.text(alphabet="theing .,!'[]##\t\u2028\u00a0åи好") | st.text(st.characters(categories=["Cs"]))


@given(ANY_TEXT, st.booleans(), st.booleans())
@example("[CLS]\ud800\u0130\x1c##", True, True)
def test_any_text_has_ids_in_range(text: str, lower_case: bool, strip_accents: bool) -> None:
    ours = Tokenizer(LETTERS.vocab, lower_case=lower_case, strip_accents=strip_accents)
    assert all(0 <= number < len(ours.vocab.tokens) for number in ours.ids(text))
    assert ours.ids(text) == [ours.vocab.ids[piece] for piece in ours.tokenize(text)]


@given(ANY_TEXT)
def test_pieces_spell_their_words(text: str) -> None:
    for word in words(text, lower_case=False, strip_accents=False):
        pieces = LETTERS.tokenize(word)
        assert pieces == ["[UNK]"] or "".join(piece.removeprefix("##") for piece in pieces) == word


@given(ANY_TEXT, st.none() | ANY_TEXT, st.integers(3, 12))
def test_rows_are_never_too_long(text: str, pair: str | None, most: int) -> None:
    row = LETTERS.encode(text, pair, max_length=most)
    assert len(row.input_ids) == len(row.token_type_ids) <= most
    assert row.input_ids[-1] == LETTERS.vocab.ids["[SEP]"]
