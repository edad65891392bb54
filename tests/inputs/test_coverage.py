from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.inputs.batch import Batch
from parity.inputs.coverage import Coverage, coverage, histogram, mask_shape, scripts
from parity.inputs.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"), path=Path("vocab.txt"))


def of(
    rows: Sequence[Sequence[int]],
    mask: Sequence[Sequence[int]] | None = None,
    types: Sequence[Sequence[int]] | None = None,
    **more: object,
) -> Coverage:
    ids = np.array(rows, np.int32)
    arrays = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids) if mask is None else np.array(mask, np.int32),
        "token_type_ids": np.zeros_like(ids) if types is None else np.array(types, np.int32),
    }
    batch = Batch("b", arrays, None, **more)
    return coverage([batch], vocabulary=VOCABULARY, rows=9, positions=6, token_types=2)


def test_only_real_positions_count() -> None:
    found = of([[2, 5, 3], [2, 6, 0]], mask=[[1, 1, 1], [1, 0, 0]])
    assert found.ids == {2: 2, 5: 1, 3: 1}
    assert found.positions == {0: 2, 1: 1, 2: 1}
    assert found.special == {"[PAD]": 0, "[UNK]": 0, "[CLS]": 2, "[SEP]": 1, "[MASK]": 0}
    assert found.lengths == {3: 1, 1: 1}
    counts = {(count.subject, count.name, count.measure): count.value for count in found.counts()}
    assert counts["vocabulary", "lines", "share touched"] == pytest.approx(3 / 7)
    assert counts["vocabulary", "rows", "share touched"] == pytest.approx(3 / 9)
    assert counts["positions", "rows", "touched"] == 3


def test_what_nothing_touches_is_told_with_its_reason() -> None:
    found = {one.what: one for one in of([[2, 5, 3]]).unseen()}
    assert found["rows of the vocabulary's embeddings"].count == 4
    assert found["spare rows of the vocabulary's embeddings"].count == 2
    assert "no line" in found["spare rows of the vocabulary's embeddings"].why
    assert found["rows of the position embeddings"].count == 3
    assert found["rows of the token type embeddings"].count == 1


def test_spare_rows_that_are_fed_are_no_lines_of_the_vocabulary() -> None:
    found = of([[8, 7, 0]])
    shares = {count.name: count.value for count in found.counts() if count.measure == "share touched"}
    assert shares == {"lines": pytest.approx(1 / 7), "rows": pytest.approx(3 / 9)}


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ([1, 1, 1], "none"),
        ([1, 1, 0], "right"),
        ([0, 1, 1], "left"),
        ([0, 1, 0], "both"),
        ([1, 0, 1], "holes"),
        ([1, 0, 1, 0], "holes"),
        ([0, 0], "all"),
    ],
)
def test_masks_have_shapes(row: list[int], shape: str) -> None:
    assert mask_shape(np.array(row, bool)) == shape


def test_pairs_are_told_by_the_real_token_types() -> None:
    types = [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 1]]
    mask = [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]
    assert of([[2, 5, 3, 3]] * 4, mask, types).pairs == {"single": 2, "pair": 1, "empty second": 1}


def test_scripts_by_unicode_names() -> None:
    found = scripts(["Жá 中文", "a1!̈\u200b🙂"])
    assert found == {
        "CJK": 2,
        "Latin": 2,
        "Cyrillic": 1,
        "spaces": 1,
        "digits": 1,
        "punctuation": 1,
        "marks": 1,
        "controls": 1,
        "symbols": 1,
    }


def test_shown_texts_stand_in_where_none_are_fed() -> None:
    assert of([[2, 5, 3]], shown=("Да",)).scripts == {"Cyrillic": 2}


@given(st.dictionaries(st.integers(0, 600), st.integers(1, 9)))
def test_every_length_falls_into_one_class(lengths: dict[int, int]) -> None:
    found = histogram(lengths)
    assert sum(found.values()) == sum(lengths.values())
    for name, count in found.items():
        first, _, last = name.partition("-")
        inside = range(int(first), int(last or first) + 1)
        assert count == sum(number for length, number in lengths.items() if length in inside)
