"""GPT-2's tokenizer against the ids that the original's encoder.py gave, and its laws."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_gpt2 import GOLDEN

from parity.errors import ParityError
from parity.inputs.byte_bpe import BYTES, END, read, words
from parity.inputs.tokenizers import read_rules

RULES = read(GOLDEN / "encoder.json", size=355)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def test_every_golden_text_gets_the_originals_ids() -> None:
    items = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))["items"]
    assert len(items) == 231
    assert [RULES.ids(item["text"]) for item in items] == [item["ids"] for item in items]


def test_a_word_takes_its_space_and_contractions_are_words() -> None:
    assert words("I'll say it's  2nd,\n\nisn't IT'S") == [
        *("I", "'ll", " say", " it", "'s", " ", " 2", "nd", ",", "\n", "\n", "isn", "'t", " IT", "'", "S"),
    ]


def test_letters_and_numbers_are_unicodes_and_marks_are_neither() -> None:
    # й as two code points is a letter and a mark; Roman numerals and fractions are numbers.
    assert words("и\u0306 й Ⅷ½ \u00a0x") == ["и", "\u0306", " й", " Ⅷ½", " ", "\u00a0", "x"]


@given(TEXTS)
def test_nothing_is_lost(text: str) -> None:
    assert "".join(words(text)) == text
    spelt = "".join(RULES.tokenize(text))
    assert bytes(BYTES.index(char) for char in spelt) == text.encode()


@given(TEXTS)
def test_every_piece_has_its_id(text: str) -> None:
    assert [RULES.vocab.tokens[number] for number in RULES.ids(text)] == RULES.tokenize(text)


def test_bytes_are_spelt_as_in_the_published_vocabulary() -> None:
    assert len(set(BYTES)) == 256
    assert (BYTES[0], BYTES[ord(" ")], BYTES[ord("\n")], BYTES[0xAD], BYTES[ord("A")]) == ("Ā", "Ġ", "Ċ", "Ń", "A")


def test_the_end_of_a_text_is_no_special_token_within_one() -> None:
    assert RULES.vocab.ids[END] not in RULES.ids(f"a{END}b")
    assert len(RULES.ids(END)) > 1


def test_a_row_is_the_text_and_nothing_else() -> None:
    ids = RULES.ids("Hello there, world")
    assert RULES.encode("Hello there, world", max_length=99).input_ids == tuple(ids)
    assert RULES.encode("Hello there, world", max_length=3).input_ids == tuple(ids[:3])
    assert RULES.encode("Hello there, world", max_length=3).token_type_ids == (0, 0, 0)
    assert (RULES.added, RULES.pairs, RULES.lower_case, RULES.pad) == (0, False, False, RULES.vocab.ids[END])
    with pytest.raises(ParityError, match="one text at a time"):
        RULES.encode("a", "b", max_length=9)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ParityError, match="half a surrogate pair"):
        RULES.ids("a\ud800")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("encoder.json", "vocab.bpe"):
        shutil.copyfile(GOLDEN / name, tmp_path / name)
    return tmp_path


def test_transformers_names_are_read_too(files: Path) -> None:
    (files / "encoder.json").rename(files / "vocab.json")
    (files / "vocab.bpe").rename(files / "merges.txt")
    assert read_rules("byte-bpe", files / "vocab.json", size=355).ids("Hello") == RULES.ids("Hello")


def test_files_of_two_releases_are_refused(files: Path) -> None:
    with (files / "vocab.bpe").open("a", encoding="utf-8") as merges:
        merges.write("Ġ zz\n")
    with pytest.raises(ParityError, match=r"no id for 'Ġzz', which vocab\.bpe makes"):
        read(files / "encoder.json", size=355)


def test_a_vocabulary_without_a_byte_is_refused(files: Path) -> None:
    ids = json.loads((files / "encoder.json").read_text(encoding="utf-8"))
    renamed = {("other" if symbol == BYTES[7] else symbol): number for symbol, number in ids.items()}
    (files / "encoder.json").write_text(json.dumps(renamed), encoding="utf-8")
    with pytest.raises(ParityError, match="no entry for byte 0x07"):
        read(files / "encoder.json", size=355)


def test_a_vocabulary_of_another_size_is_refused(files: Path) -> None:
    with pytest.raises(ParityError, match="got 355 entries, expected 50257"):
        read(files / "encoder.json", size=50257)


def test_merges_must_lie_beside(files: Path) -> None:
    (files / "vocab.bpe").unlink()
    with pytest.raises(ParityError, match=r"no vocab\.bpe or merges\.txt"):
        read(files / "encoder.json", size=355)
