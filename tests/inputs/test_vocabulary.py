"""Vocabularies: read as the source reads them, refused where they cannot fit, asked for their casing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from parity.errors import ParityError
from parity.inputs.vocabulary import Vocabulary, check_vocab, guess_casing, read_vocab

from .support import BERT_GOLDENS, GOLDENS, SPECIAL, vocabulary


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "vocab.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("a\nb\n", ("a", "b")),
        ("a\nb", ("a", "b")),
        ("a\r\nb\r\n", ("a", "b")),
        ("a\n\nb\n", ("a", "", "b")),
        ("a\n\u2028\nb\u2028\n", ("a", "", "b")),
        ("a\x85\x0cb\n", ("a\x85\x0cb",)),
        (" a \t\n\u00a0\n", ("a", "")),
        ("##a\n\n\n", ("##a", "", "")),
    ],
)
def test_lines_end_at_newline_only(tmp_path: Path, content: str, tokens: tuple[str, ...]) -> None:
    assert read_vocab(written(tmp_path, content)).tokens == tokens


def test_the_later_of_two_lines_gives_the_id(tmp_path: Path) -> None:
    vocab = read_vocab(written(tmp_path, "a\nb\na\n\n\u2028\n"))
    assert vocab.ids == {"a": 2, "b": 1, "": 4}
    assert len(vocab.tokens) == 5


@pytest.mark.parametrize(
    ("content", "message"), [("", "empty vocabulary"), (b"a\n\xff\xfe\n", "not UTF-8 text at byte 2 (line 2)")]
)
def test_unreadable(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ParityError) as caught:
        read_vocab(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("case", BERT_GOLDENS)
def test_goldens_fit(case: str) -> None:
    vocab = read_vocab(GOLDENS / case / "vocab.txt")
    size = json.loads((GOLDENS / case / "bert_config.json").read_text())["vocab_size"]
    check_vocab(vocab, size)
    for wrong in (size - 1, size + 1):
        with pytest.raises(ParityError, match="wrong length"):
            check_vocab(vocab, wrong)


def test_a_blank_line_too_many_is_pointed_at() -> None:
    with pytest.raises(ParityError) as caught:
        check_vocab(vocabulary("a", "", "b"), 7)
    message = str(caught.value)
    assert "vocab.txt" in message
    assert "got 8 entries, expected 7" in message
    assert "line 7 is blank" in message
    assert "U+2028" in message


def test_a_line_too_few_is_explained_and_spare_rows_are_allowed_when_known() -> None:
    with pytest.raises(ParityError, match=r"U\+2028, removes entries \(got 6 entries, expected 8 .*\[spare1\]"):
        check_vocab(vocabulary("a"), 8)
    check_vocab(vocabulary("a"), 8, spare_rows=True)
    with pytest.raises(ParityError, match="wrong length"):
        check_vocab(vocabulary("a"), 5, spare_rows=True)


def test_every_problem_is_told_at_once() -> None:
    vocab = Vocabulary.of(["\ufeff[PAD]", *SPECIAL[1:4]], path=Path("short.txt"))
    with pytest.raises(ParityError) as caught:
        check_vocab(vocab, 5)
    message = str(caught.value)
    assert "wrong length" in message
    assert "no [PAD], [MASK]" in message
    assert "byte order mark" in message


@pytest.mark.parametrize(
    ("case", "lower_case", "strip_accents", "evidence"),
    [("bert_cyrillic", False, False, "'А' (id"), ("bert_pretrain_erf", True, True, "no piece has a capital")],
)
def test_casing_of_the_goldens(case: str, lower_case: bool, strip_accents: bool, evidence: str) -> None:
    found = guess_casing(read_vocab(GOLDENS / case / "vocab.txt"))
    assert (found.lower_case, found.strip_accents) == (lower_case, strip_accents)
    assert evidence in found.evidence


@pytest.mark.parametrize(
    ("pieces", "lower_case", "strip_accents", "named"),
    [
        (["а", "##йти", "Мир"], False, False, "'Мир'"),
        (["по", "##Й"], False, False, "'##Й'"),
        (["og", "på", "##så"], True, False, "'på'"),
        (["мой", "еще"], True, False, "'мой'"),
        (["ё"], True, False, "'ё'"),
        (["og", "pa", "æble", "ø", "ß"], True, True, "no piece has"),
        (["<S>", "<T>", "[unused1]", "[COVID]", "好", "ᄀ", "ァ", "ⅰ"], True, True, "no piece has"),
        (["한국"], True, False, "'한국'"),
    ],
)
def test_casing_is_read_off_impossible_pieces(
    pieces: list[str], lower_case: bool, strip_accents: bool, named: str
) -> None:
    found = guess_casing(vocabulary(*pieces))
    assert (found.lower_case, found.strip_accents) == (lower_case, strip_accents)
    assert named in found.evidence


def test_a_few_words_in_unused_lines_do_not_turn_a_vocabulary() -> None:
    pieces = [f"w{number}" for number in range(6000)]
    assert guess_casing(vocabulary(*pieces, "COVID", "Zürich")).lower_case
    assert guess_casing(vocabulary(*pieces, "COVID", "Zürich")).strip_accents
    assert not guess_casing(vocabulary(*pieces, "COVID", "Zürich", "NATO", "Bonn")).lower_case
