"""The loop of merges against a slower one written from its definition, and the files it reads."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.inputs.bpe import beside, merge, read_encoder, read_merges

_SYMBOLS = st.sampled_from(["a", "b", "c", "ab", "ba", "aa", "abc"])


def test_the_lowest_rank_is_joined_first_and_everywhere() -> None:
    ranks = {("b", "c"): 0, ("a", "b"): 1, ("a", "bc"): 2}
    assert merge("abcab", ranks) == ("abc", "ab")
    assert merge("aaa", {("a", "a"): 0}) == ("aa", "a")


def test_what_has_no_rank_stays_apart() -> None:
    assert merge("xyz", {("a", "b"): 0}) == ("x", "y", "z")
    assert merge(("x",), {("x", "x"): 0}) == ("x",)
    assert merge((), {}) == ()


@given(word=st.lists(_SYMBOLS, max_size=12), pairs=st.lists(st.tuples(_SYMBOLS, _SYMBOLS), unique=True, max_size=8))
def test_laws(word: list[str], pairs: list[tuple[str, str]]) -> None:
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    found = merge(word, ranks)
    assert "".join(found) == "".join(word)
    assert not set(pairwise(found)) & set(ranks)
    assert merge(found, ranks) == found


def test_merges_are_ranked_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "vocab.bpe"
    path.write_text("#version: 0.2\na b\r\nab c\n", encoding="utf-8")
    assert read_merges(path) == {("a", "b"): 0, ("ab", "c"): 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("#version: 0.2\na b", "no line end"),
        ("", "no line end"),
        ("#version: 0.2\na b\n\nc d\n", "line 3 is not two symbols"),
        ("#version: 0.2\na b c\n", "line 2 is not two symbols"),
    ],
)
def test_damaged_merges_are_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "vocab.bpe"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParityError, match=told):
        read_merges(path)


def test_an_encoder_in_any_order_is_read_by_id(tmp_path: Path) -> None:
    path = tmp_path / "encoder.json"
    path.write_text('{"b": 1, "a": 0}', encoding="utf-8")
    assert read_encoder(path, size=2).tokens == ("a", "b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("[]", "not a vocabulary"),
        ('{"a": 0}', "got 1 entries, expected 2"),
        ('{"a": 0, "b": 0}', "no symbol has id 1"),
        ('{"a": 0, "b": 7}', "no symbol has id 1"),
        ('{"a": 0, "b": true}', "is no whole number"),
        (json.dumps({"a": 0, "b": 1, "c": 2}), "got 3 entries, expected 2"),
    ],
)
def test_other_encoders_are_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "encoder.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParityError, match=told):
        read_encoder(path, size=2)


def test_the_second_file_is_looked_for_beside_the_first(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    assert beside(tmp_path / "vocab.json", ("vocab.bpe", "merges.txt")).name == "merges.txt"
    with pytest.raises(ParityError, match=r"no vocab\.bpe beside it"):
        beside(tmp_path / "encoder.json", ("vocab.bpe",))
