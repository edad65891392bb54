from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import BrokenParity
from parity.inputs.batch import Batch, spread_positions
from parity.inputs.transforms import PADDING, Piece, Transform, alone, backwards, padded, restored, unchanged
from parity.tensorfile import Array

TRANSFORMS: dict[str, Transform] = {"padded": padded, "alone": alone, "backwards": backwards, "unchanged": unchanged}


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    rows, length = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    mask = rng.integers(0, 2, (rows, length), dtype=np.int32)
    arrays = {
        "input_ids": rng.integers(0, 50, (rows, length), dtype=np.int32),
        "attention_mask": mask,
        "token_type_ids": rng.integers(0, 2, (rows, length), dtype=np.int32),
        "logit_positions": spread_positions(mask),
    }
    texts = tuple(f"row {row}" for row in range(rows)) if draw(st.booleans()) else None
    return Batch("some", arrays, texts, shown=texts or ())


def runtime(arrays: Mapping[str, Array], axes: str) -> Array:
    """A runtime that looks at nothing but the row and position it answers for."""
    tokens = (arrays["input_ids"] * 2 + arrays["token_type_ids"]) * arrays["attention_mask"]
    if axes == "BC":
        return np.stack([tokens.sum(axis=1)] * 3, axis=-1)
    places = arrays["logit_positions"].astype(np.intp)
    chosen = tokens if axes == "BTC" else np.take_along_axis(tokens, places, axis=1)
    return np.stack([chosen, chosen + 1, chosen + 2], axis=-1)


@given(batches(), st.sampled_from(sorted(TRANSFORMS)), st.sampled_from(("BC", "BTC", "BQC")))
def test_what_is_fed_otherwise_is_put_back(batch: Batch, name: str, axes: str) -> None:
    pieces = TRANSFORMS[name](batch)
    usual = runtime(batch.arrays, axes)
    answers = [runtime(piece.batch.arrays, axes) for piece in pieces]
    np.testing.assert_array_equal(restored(axes, pieces, answers, usual.shape), usual)
    rows = [row for piece in pieces for row in piece.rows]
    assert sorted(rows) == list(range(len(usual)))
    for piece in pieces:
        assert {array.dtype for array in piece.batch.arrays.values()} == {np.dtype(np.int32)}
        texts = piece.batch.texts
        assert texts is None if batch.texts is None else texts == tuple(batch.texts[row] for row in piece.rows)


@given(batches())
def test_every_transform_but_asking_again_feeds_something_else(batch: Batch) -> None:
    (longer,) = padded(batch, pad=9)
    length = batch.arrays["input_ids"].shape[1]
    assert longer.batch.arrays["input_ids"].shape[1] == length + PADDING
    assert (longer.batch.arrays["input_ids"][:, length:] == 9).all()
    assert not longer.batch.arrays["attention_mask"][:, length:].any()
    assert all(len(piece.batch.arrays["input_ids"]) == 1 for piece in alone(batch))
    (turned,) = backwards(batch)
    np.testing.assert_array_equal(turned.batch.arrays["input_ids"], batch.arrays["input_ids"][::-1])


def test_answers_that_do_not_fit_are_refused() -> None:
    batch = Batch("b", {"input_ids": np.ones((2, 3), np.int32)}, None)
    pieces = alone(batch)
    one = np.zeros((1, 3, 4))
    with pytest.raises(BrokenParity, match="do not make up the batch"):
        restored("BTC", pieces[:1], [one], (2, 3, 4))
    with pytest.raises(BrokenParity, match="do not make up the batch"):
        restored("BTC", [pieces[0], Piece(batch, (0,))], [one, one], (2, 3, 4))
    with pytest.raises(BrokenParity, match="do not fit what was fed"):
        restored("BTC", pieces, [one, np.zeros((1, 2, 4))], (2, 3, 4))
    with pytest.raises(BrokenParity, match="do not fit what was fed"):
        restored("BTC", pieces, [one, np.zeros((2, 3, 4))], (2, 3, 4))
    with pytest.raises(BrokenParity, match="another number of tokens"):
        restored("BTC", pieces, [one[:, :2], one[:, :2]], (2, 3, 4))
    with pytest.raises(BrokenParity, match="another number of tokens"):
        restored("BTC", padded(batch), [np.zeros((2, 3, 4))], (2, 3, 4))
    with pytest.raises(BrokenParity, match="another shape"):
        restored("BTC", pieces, [one[..., :2], one[..., :2]], (2, 3, 4))


@given(batches(), st.sampled_from(("BTC", "BQC")), st.integers(1, 9))
def test_padding_on_the_left_is_put_back_too(batch: Batch, axes: str, more: int) -> None:
    usual = runtime(batch.arrays, axes)
    (piece,) = padded(batch, pad=5, more=more, left=True, padding_type=4)
    arrays = piece.batch.arrays
    assert (arrays["input_ids"][:, :more] == 5).all()
    assert (arrays["token_type_ids"][:, :more] == 4).all()
    assert not arrays["attention_mask"][:, :more].any()
    answers = [runtime(arrays, axes)]
    np.testing.assert_array_equal(restored(axes, [piece], answers, usual.shape, left=True), usual)
