"""Batches from outside: what is refused, with which words, and what is filled in."""

from __future__ import annotations

import re

import numpy as np
import pytest

from parity.errors import ParityError
from parity.inputs.batch import Batch
from parity.inputs.check import ARRAYS, check_batch
from parity.tensorfile import Array

IDS = np.array([[2, 7, 9, 3], [2, 8, 3, 0]], np.int32)
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]], np.int32)


def checked(*, texts: tuple[str, ...] | None = None, shown: tuple[str, ...] = (), **arrays: Array) -> Batch:
    batch = Batch("b", arrays, texts, shown)
    return check_batch(batch, vocab_size=10, positions=6, token_types=2, where="in.npz")


def test_defaults_and_narrowing() -> None:
    batch = checked(input_ids=np.asfortranarray(IDS.astype(np.int64)), texts=("x", "y"))
    assert set(batch.arrays) == set(ARRAYS)
    for name, array in batch.arrays.items():
        assert array.dtype == np.int32, name
        assert array.flags.c_contiguous, name
    np.testing.assert_array_equal(batch.arrays["input_ids"], IDS)
    assert batch.arrays["attention_mask"].all()
    assert not batch.arrays["token_type_ids"].any()
    assert batch.arrays["logit_positions"].tolist() == [[0, 0, 0, 1, 1, 2, 2, 3]] * 2
    assert batch.shown == ("x", "y")


def test_the_default_logit_positions_are_real() -> None:
    batch = checked(input_ids=IDS, attention_mask=MASK)
    assert batch.arrays["logit_positions"][1].max() == 2


def test_what_is_given_is_kept() -> None:
    given = {
        "input_ids": IDS,
        "attention_mask": MASK,
        "token_type_ids": np.array([[0, 0, 1, 1], [0, 0, 0, 0]], np.int32),
        "logit_positions": np.array([[3], [1]], np.int64),
    }
    for name, array in checked(**given).arrays.items():
        np.testing.assert_array_equal(array, given[name])


def changed(array: Array, at: tuple[int, int], value: int) -> Array:
    copy = array.astype(np.int64)
    copy[at] = value
    return copy


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no array input_ids; write token ids"),
        ({"input_ids": IDS[0]}, "input_ids has the wrong rank (got shape (4,), expected [rows, length])"),
        ({"input_ids": IDS[:0]}, "an empty batch (got shape (0, 4)"),
        ({"input_ids": IDS[:, :0]}, "an empty batch (got shape (2, 0)"),
        ({"input_ids": IDS.astype(np.float32)}, "input_ids has the wrong dtype (got float32, expected int32)"),
        (
            {"input_ids": changed(IDS, (1, 2), 10)},
            "input_ids at row 1, position 2 is out of range (got 10, expected 0 to 9, the vocabulary's ids); "
            "tokenize with this model's own vocabulary",
        ),
        ({"input_ids": changed(IDS, (0, 1), -1)}, "input_ids at row 0, position 1 is out of range (got -1"),
        ({"input_ids": changed(IDS, (0, 1), 2**32 + 5)}, "is out of range (got 4294967301"),
        ({"input_ids": IDS + 5}, "row 0, position 1 is out of range (and 2 more) (got 12"),
        ({"input_ids": np.ones((1, 7), np.int32)}, "longer than the model has positions (got 7, expected at most 6)"),
        (
            {"input_ids": IDS, "attention_mask": MASK[:1]},
            "attention_mask has the wrong shape (got (1, 4), expected (2, 4))",
        ),
        ({"input_ids": IDS, "attention_mask": MASK.astype(bool)}, "attention_mask has the wrong dtype (got bool"),
        ({"input_ids": IDS, "attention_mask": MASK[..., None]}, "attention_mask has the wrong shape"),
        (
            {"input_ids": IDS, "attention_mask": changed(MASK, (1, 3), 2)},
            "attention_mask at row 1, position 3 is out of range (got 2, expected 0 to 1, 1 = real)",
        ),
        ({"input_ids": IDS, "attention_mask": MASK * [[1], [0]]}, "row 1 has no real position"),
        (
            {"input_ids": IDS, "token_type_ids": MASK * 2},
            "token_type_ids at row 0, position 0 is out of range (and 6 more)",
        ),
        ({"input_ids": IDS, "logit_positions": MASK[:, 0]}, "logit_positions has the wrong shape (got (2,)"),
        ({"input_ids": IDS, "logit_positions": MASK[:, :0]}, "logit_positions has the wrong shape (got (2, 0)"),
        ({"input_ids": IDS, "logit_positions": MASK * 4}, "logit_positions at row 0, position 0 is out of range"),
        (
            {"input_ids": IDS, "attention_mask": MASK, "logit_positions": np.array([[0, 3], [0, 3]])},
            "logit_positions at row 1 names position 3, which is masked",
        ),
        ({"input_ids": IDS, "mems.0": IDS}, "unknown array mems.0 (expected one of input_ids"),
    ],
)
def test_refused(arrays: dict[str, Array], message: str) -> None:
    with pytest.raises(ParityError, match=re.escape(message)) as caught:
        checked(**arrays)
    assert str(caught.value).startswith("in.npz: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("x",), "texts do not belong to the rows (got 1, expected 2)"),
        (("x", "\ud83d"), "number 1 of the texts holds half"),
    ],
)
def test_texts_that_do_not_belong(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(ParityError, match=re.escape(message)):
        checked(input_ids=IDS, texts=texts)
    with pytest.raises(ParityError, match=re.escape(message.replace("texts", "shown texts"))):
        checked(input_ids=IDS, shown=texts)


def test_everything_is_said_at_once() -> None:
    with pytest.raises(ParityError) as caught:
        checked(input_ids=IDS + 5, attention_mask=MASK * 3, token_type_ids=MASK[:1], extra=IDS, texts=())
    message = str(caught.value)
    assert message.startswith("in.npz: these inputs cannot be used: 5 problems")
    for part in (
        "input_ids at row",
        "attention_mask at row",
        "token_type_ids has",
        "unknown array extra",
        "texts do not",
    ):
        assert part in message
