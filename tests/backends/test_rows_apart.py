"""References part a batch's rows; where a row's place in its batch counts (XLNet's bi_data), each says its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_xlnet import write_source

from parity.artifacts import Choices
from parity.errors import ParityError
from parity.runs.options import RunOptions
from parity.runs.tracing import trace
from parity.tensorfile import Array
from parity.traces import batch_path, read_batch

IDS = np.tile(np.arange(6, dtype=np.int32) + 9, (4, 1))
BOTH_WAYS = Choices(tokenizer=False, settings={"bi_data": "true"})


def traced(tmp_path: Path, backend: str, ids: Array, *, taps: tuple[str, ...] = ("layer.1",)) -> dict[str, Array]:
    np.savez(tmp_path / "inputs.npz", input_ids=ids)
    source, out = write_source(tmp_path / "source"), tmp_path / backend
    options = RunOptions(in_process=True, threads=2)
    trace(str(source), tmp_path / "inputs.npz", out, backend=backend, choices=BOTH_WAYS, options=options, taps=taps)
    return dict(read_batch(batch_path(out, 0)).taps)


def test_the_oracle_turns_the_second_half_of_a_batch_whose_rows_it_parts(tmp_path: Path) -> None:
    found = traced(tmp_path, "oracle", IDS)["layer.1"]
    np.testing.assert_allclose(found[1], found[0], atol=1e-12)
    np.testing.assert_allclose(found[3], found[2], atol=1e-12)
    assert np.abs(found[2] - found[0]).max() > 1e-3


def test_the_floor_walks_every_row_its_own_way(tmp_path: Path) -> None:
    assert traced(tmp_path, "floor", IDS)


@pytest.mark.parametrize("backend", ["oracle", "floor"])
def test_an_odd_number_of_rows_is_refused(tmp_path: Path, backend: str) -> None:
    with pytest.raises(ParityError, match="bi_data halves the rows"):
        traced(tmp_path, backend, IDS[:3])
