"""The stand-ins' sentencepiece model: as large as asked for, published ids, the same every time."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from parity.errors import ParityError
from parity.inputs.corpora import corpora
from parity.inputs.sentencepieces import SPECIAL, read
from parity.models.vocabularies.sentencepieces import write

TEXTS = tuple(chain.from_iterable(corpora().values()))


@pytest.mark.parametrize("size", [32000, 2000, 1200])
def test_it_is_as_large_as_asked_for_and_the_same_every_time(size: int, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, TEXTS, size=size, special=SPECIAL)
    one, two = ((tmp_path / name / "spiece.model").read_bytes() for name in ("one", "two"))
    assert one == two
    rules = read(tmp_path / "one" / "spiece.model", size=size)
    assert {name: rules.vocab.ids[name] for name in SPECIAL} == SPECIAL
    # As published: what stands alone comes next, then the sign for a space.
    assert rules.vocab.tokens[9:18] == (".", "(", ")", '"', "-", "–", "£", "€", "▁")


def test_pieces_beyond_what_the_texts_yield_match_nothing(tmp_path: Path) -> None:
    write(tmp_path, TEXTS, size=32000, special=SPECIAL)
    rules = read(tmp_path / "spiece.model", size=32000)
    unused = {number for number, piece in enumerate(rules.model.pieces) if piece.kind == "unused"}
    assert unused == set(range(min(unused), 32000))
    assert not unused & set(rules.ids("<unused1> " + " ".join(TEXTS)))


def test_every_character_of_the_corpora_has_a_piece(tmp_path: Path) -> None:
    write(tmp_path, TEXTS, size=2000, special=SPECIAL)
    rules = read(tmp_path / "spiece.model", size=2000)
    unknown = sum(rules.ids(text).count(0) for text in TEXTS)
    assert unknown < sum(len(rules.ids(text)) for text in TEXTS) / 500


def test_too_small_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no sentencepiece model of 100 pieces"):
        write(tmp_path, TEXTS, size=100, special=SPECIAL)


def test_an_order_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="otherwise than asked for"):
        write(tmp_path, TEXTS, size=2000, special={**SPECIAL, "<eop>": 40})
