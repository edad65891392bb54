"""XLNet's tokenizer against what the original did with 232 texts in both casings, and models that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.checkpoints.wire import bytes_field, fixed32_field, number_field
from parity.errors import ParityError
from parity.inputs.corpora import corpora
from parity.inputs.sentencepieces import SPECIAL, Tokenizer, preprocess, read
from parity.inputs.spiece import read_model
from parity.inputs.wordpiece import Encoded
from parity.models.vocabularies.sentencepieces import write

GOLDEN = Path(__file__).parents[2] / "fixtures" / "goldens" / "xlnet_pretrain"
RULES = read(GOLDEN / "spiece.model", size=400)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("spiece")
    write(folder, chain.from_iterable(corpora().values()), size=2000, special=SPECIAL)
    return read(folder / "spiece.model", size=2000)


def items() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))["items"]
    return found


def test_every_text_is_cut_as_by_the_original() -> None:
    assert len(items()) == 464
    for item in items():
        assert preprocess(item["text"], lower_case=item["lower"]) == item["preprocessed"]
        assert replace(RULES, lower_case=item["lower"]).ids(item["text"]) == item["ids"], item["text"]


def test_rows_end_in_sep_and_cls_which_has_a_segment_of_its_own() -> None:
    one, two = RULES.ids("a"), RULES.ids("bb")
    assert RULES.encode("a", max_length=9) == Encoded((*one, 4, 3), (*[0] * len(one), 0, 2))
    types = (*[0] * len(one), 0, *[1] * len(two), 1, 2)
    assert RULES.encode("a", "bb", max_length=19) == Encoded((*one, 4, *two, 4, 3), types)
    assert (RULES.added, RULES.pairs, RULES.pad) == (2, True, 0)


@pytest.mark.parametrize("pair", ["", "  ", "\x07"])
def test_a_second_text_without_pieces_is_none(pair: str) -> None:
    assert RULES.encode("a", pair, max_length=9) == RULES.encode("a", max_length=9)


def test_what_is_too_long_loses_its_end_the_longer_text_first() -> None:
    long, short = "один два три четыре", "пять"
    row = RULES.encode(long, short, max_length=12)
    assert len(row.input_ids) == 12
    assert row.token_type_ids.count(1) == len(RULES.ids(short)) + 1 or row.token_type_ids.count(1) <= 6
    assert row.input_ids[: row.token_type_ids.count(0) - 1] == tuple(RULES.ids(long)[: row.token_type_ids.count(0) - 1])
    with pytest.raises(ParityError, match="no room for <sep> and <cls>"):
        RULES.encode("a", max_length=1)


def test_a_piece_that_ends_in_a_digit_and_a_comma_is_cut_anew(trained: Tokenizer) -> None:
    joined = [piece.text for piece in trained.model.pieces if piece.text.endswith(",") and piece.text[-2:-1].isdigit()]
    assert "▁1," in joined
    assert not {trained.vocab.ids[piece] for piece in joined} & set(trained.ids("1, 2, 15, 9,5"))
    assert trained.tokenize("1, x") == ["▁1", ",", *trained.tokenize("x")]
    # What begins no word loses the mark of one.
    assert trained.tokenize("a1,") == [*trained.tokenize("a"), "1", ","]


def test_special_names_in_a_text_are_text() -> None:
    assert not set(RULES.ids("a<sep>b <cls> <mask> <pad>")) & {3, 4, 5, 6}
    assert 8 in RULES.ids("<eop>")  # but this one is a piece that the user defined


@given(st.text(max_size=30))
def test_any_text_is_cut_into_known_ids(text: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in text):
        return
    ids = RULES.ids(text)
    assert all(0 <= one < 400 for one in ids)
    assert RULES.ids(f"  {text}\n") == ids


def test_half_a_surrogate_pair_is_told() -> None:
    with pytest.raises(ParityError, match="half a surrogate pair"):
        RULES.ids("a\ud800")


def piece(text: str, kind: int, score: bytes = b"\0\0\0\0") -> bytes:
    body = bytes_field(1, text.encode()) + number_field(3, kind)
    return bytes_field(1, body + fixed32_field(2, int.from_bytes(score, "little")))


GOOD = b"".join(
    [piece("<unk>", 2), *(piece(name, 3) for name in ("<s>", "</s>", "<cls>", "<sep>")), piece("a", 1), piece("b", 1)]
)
UNIGRAM = bytes_field(2, number_field(3, 1))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no pieces"),
        (b"\xff" * 40, "no sentencepiece model"),
        (GOOD[:-3], "no sentencepiece model"),
        (GOOD + bytes_field(2, number_field(3, 2)), "the model is not of unigrams"),
        (GOOD + piece("a", 1), "a piece stands twice"),
        (GOOD + piece("<unk2>", 2), "not exactly one piece for the unknown"),
        (GOOD + piece("c", 1, b"\0\0\xc0\x7f"), "piece 7 has no score"),
        (GOOD + piece("c", 9), "no sentencepiece model: a piece of an unknown kind"),
        (GOOD + bytes_field(1, bytes_field(1, b"\xff\xfe")), "no sentencepiece model"),
        (GOOD + bytes_field(3, b"\x18\x00"), "treats white space otherwise"),
    ],
)
def test_what_is_no_model_is_refused_before_the_library_sees_it(data: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(data)
    with pytest.raises(ParityError, match=what):
        read_model(tmp_path / "spiece.model")


def test_a_model_without_rules_of_its_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(GOOD + UNIGRAM)
    assert read(tmp_path / "spiece.model", size=7).ids("ab")[-2:] == [5, 6]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data.replace(b"<sep>", b"<xep>"), "piece 4 is not <sep>"),
        (lambda data: data.replace(b"<cls>", b"<CLS>"), "piece 3 is not <cls>"),
        (lambda data: data + piece("c", 1), "wrong length"),
    ],
)
def test_a_model_of_another_kind_is_refused(change: Callable[[bytes], bytes], what: str, tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(change(GOOD + UNIGRAM))
    with pytest.raises(ParityError, match=what):
        read(tmp_path / "spiece.model", size=7)


def test_a_missing_file_and_a_huge_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="cannot be read"):
        read_model(tmp_path / "spiece.model")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ParityError, match="too large for a vocabulary"):
        read_model(tmp_path / "huge")


def test_what_the_proof_says_of_it() -> None:
    assert RULES.describe() == {
        "kind": "sentencepiece",
        "lower_case": False,
        "accents": "stripped (NFKD, combining characters left out)",
        "normalisation": "nmt_nfkc",
        "special": {"<cls>": 3, "<sep>": 4},
        "pad": 0,
    }
