from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.errors import ParityError
from parity.tensorfile import TensorSpec, write_tensors
from parity.traces import (
    FORMAT,
    TraceBatch,
    batch_path,
    batch_paths,
    read_batch,
    read_meta,
    real_positions,
    write_batch,
)

IDS = np.array([[5, 6, 0]], np.int32)


def batch(**meta: Any) -> TraceBatch:
    taps = {"embeddings": np.arange(6.0).reshape(1, 3, 2), "layer.0": np.ones((1, 3, 2), np.float32)}
    return TraceBatch(taps, {"input_ids": IDS}, meta)


def with_meta(path: Path, metadata: dict[str, str]) -> Path:
    write_tensors(path, [TensorSpec("inputs/input_ids", "int32", IDS.shape)], [IDS], metadata=metadata)
    return path


def test_a_batch_comes_back_with_dtypes_texts_and_reasons(tmp_path: Path) -> None:
    path = batch_path(tmp_path / "deep" / "er", 7)
    write_batch(path, batch(texts=["sål ъ \u2028"], unavailable={"pooler": "none"}, model="m"))
    back = read_batch(path)
    assert path.name == "batch-007.safetensors"
    assert back.taps.keys() == {"embeddings", "layer.0"}
    assert back.taps["embeddings"].dtype == np.float64
    assert back.taps["layer.0"].dtype == np.float32
    np.testing.assert_array_equal(back.taps["embeddings"], batch().taps["embeddings"])
    np.testing.assert_array_equal(back.inputs["input_ids"], IDS)
    assert back.texts == ["sål ъ \u2028"]
    assert back.unavailable == {"pooler": "none"}
    assert back.skipped is None
    assert back.meta["model"] == "m"
    assert not back.taps["embeddings"].flags.writeable


def test_a_declared_skip_comes_back(tmp_path: Path) -> None:
    write_batch(tmp_path / "b", TraceBatch({}, {"input_ids": IDS}, {"skipped": "no texts"}))
    back = read_batch(tmp_path / "b")
    assert (back.skipped, dict(back.taps), back.texts, back.unavailable) == ("no texts", {}, None, {})


def test_only_the_named_taps_are_mapped_inputs_always(tmp_path: Path) -> None:
    write_batch(tmp_path / "b", batch())
    assert list(read_batch(tmp_path / "b", ["layer.0"]).taps) == ["layer.0"]
    assert list(read_batch(tmp_path / "b", []).inputs) == ["input_ids"]
    with pytest.raises(ParityError, match=r"no tensor layer\.9"):
        read_batch(tmp_path / "b", ["layer.9"])


def test_batches_are_found_in_order(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        write_batch(batch_path(tmp_path, number), batch())
    (tmp_path / "notes.txt").write_text("x")
    assert batch_paths(tmp_path) == [batch_path(tmp_path, number) for number in (0, 2, 10)]


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_batches_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path if there else tmp_path / "absent"
    with pytest.raises(ParityError, match=rf"{folder}: no batch-.*`parity trace`"):
        batch_paths(folder)


@pytest.mark.parametrize("value", ["", "null", "[]", '"text"', "{", "{}", "[" * 100_000])
def test_what_is_no_trace_is_refused(tmp_path: Path, value: str) -> None:
    path = with_meta(tmp_path / "b", {"parity": value} if value else {"other": "x"})
    with pytest.raises(ParityError, match=rf"{path}: not a trace"):
        read_meta(path)


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    path = with_meta(tmp_path / "b", {"parity": json.dumps({"format": FORMAT + 1})})
    with pytest.raises(ParityError, match=f"another format version .got {FORMAT + 1}, expected {FORMAT}"):
        read_batch(path)


def test_real_positions_are_those_with_mask_one() -> None:
    mask = np.array([[1, 0, 1]])
    assert real_positions({"input_ids": IDS, "attention_mask": mask}).tolist() == [[True, False, True]]
    everything = real_positions({"input_ids": IDS})
    assert everything.shape == (1, 3)
    assert everything.all()
