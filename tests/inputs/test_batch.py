"""What can be said of batches without running them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from parity.inputs.batch import Batch, as_trace, digest, spread_positions, trace_bytes
from parity.traces import TraceBatch, batch_path, read_batch, write_batch


def batch(rows: int = 2, length: int = 5, *, name: str = "b", texts: tuple[str, ...] | None = None) -> Batch:
    mask = np.ones((rows, length), np.int32)
    ids = np.arange(rows * length, dtype=np.int32).reshape(rows, length)
    arrays = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(mask),
        "logit_positions": spread_positions(mask),
    }
    return Batch(name, arrays, texts)


@given(hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 1)))
def test_logit_positions_are_real_and_reach_both_ends(mask: np.ndarray) -> None:
    chosen = spread_positions(mask)
    assert chosen.shape == (len(mask), 8)
    assert chosen.dtype == np.int32
    for row, positions in zip(mask, chosen, strict=True):
        real = np.flatnonzero(row)
        if real.size:
            assert set(positions) <= set(real)
            assert (positions[0], positions[-1]) == (real[0], real[-1])
            assert len(set(positions)) == min(8, real.size)
        else:
            assert not positions.any()


def test_the_digest_sees_everything_that_is_fed() -> None:
    base = batch(texts=("x", "y"))
    other = [
        replace(base, name="c"),
        replace(base, texts=("x", "z")),
        replace(base, texts=None),
        replace(base, arrays={**base.arrays, "input_ids": base.arrays["input_ids"] + 1}),
        replace(base, arrays={**base.arrays, "input_ids": base.arrays["input_ids"].astype(np.int64)}),
        replace(base, arrays={**base.arrays, "input_ids": base.arrays["input_ids"].view(np.uint32)}),
        batch(5, 2, texts=("x", "y")),
    ]
    seen = {digest([one]) for one in [base, *other]}
    assert len(seen) == len(other) + 1
    assert digest([base, other[0]]) != digest([other[0], base])
    strided = replace(base, arrays={name: np.asfortranarray(array) for name, array in base.arrays.items()})
    assert digest([strided]) == digest([base]) == digest([replace(base, shown=("?", "!"), kind="single")])


@pytest.mark.parametrize(("itemsize", "dtype"), [(4, np.float32), (8, np.float64)])
def test_the_estimate_is_what_a_trace_takes(tmp_path: Path, itemsize: int, dtype: type) -> None:
    one = batch(3, 7)
    hidden, layers, vocab = 16, 2, 50
    taps = {name: np.zeros((3, 7, hidden), dtype) for name in ("embeddings", "layer.0", "layer.1")}
    taps |= {"pooler": np.zeros((3, hidden), dtype), "logits.mlm": np.zeros((3, 8, vocab), dtype)}
    estimate = trace_bytes([one, one], hidden=hidden, layers=layers, vocab=vocab, itemsize=itemsize)
    assert estimate == 2 * sum(array.nbytes for array in taps.values())
    write_batch(batch_path(tmp_path, 0), TraceBatch(taps, {}))
    assert estimate / 2 < batch_path(tmp_path, 0).stat().st_size < estimate / 2 + 2000


def test_a_worker_gets_the_same_batch(tmp_path: Path) -> None:
    one = batch(texts=("x", "y"))
    write_batch(batch_path(tmp_path, 0), as_trace(one))
    back = read_batch(batch_path(tmp_path, 0))
    assert back.taps == {}
    assert back.texts == ["x", "y"]
    assert back.meta["name"] == "b"
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(back.inputs[name], array, strict=True)
    assert one.real_tokens == 10
