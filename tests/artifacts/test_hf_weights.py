from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from parity.artifacts.hf_weights import open_weights
from parity.errors import ParityError
from parity.tensorfile import TensorSpec, write_tensors

ARRAYS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b.weight": np.arange(4, dtype=np.float16),
    "c.bias": np.float32([7.5]),
}


def safetensors(path: Path, names: list[str]) -> None:
    specs = [TensorSpec(name, ARRAYS[name].dtype.name, ARRAYS[name].shape) for name in names]
    write_tensors(path, specs, [ARRAYS[name] for name in names], metadata={"format": "pt"})


def binary(path: Path, names: list[str], *, old: bool = False) -> None:
    state = {name: torch.from_numpy(ARRAYS[name].copy()) for name in names}
    torch.save(state, path, _use_new_zipfile_serialization=not old)


def index(path: Path, placed: dict[str, str]) -> None:
    path.write_text(json.dumps({"metadata": {}, "weight_map": placed}), encoding="utf-8")


def one_file(folder: Path) -> None:
    safetensors(folder / "model.safetensors", list(ARRAYS))


def shards(folder: Path) -> None:
    safetensors(folder / "model-1.safetensors", ["a.weight", "c.bias"])
    safetensors(folder / "model-2.safetensors", ["b.weight"])
    placed = {"a.weight": "model-1.safetensors", "b.weight": "model-2.safetensors", "c.bias": "model-1.safetensors"}
    index(folder / "model.safetensors.index.json", placed)


def one_bin(folder: Path) -> None:
    binary(folder / "pytorch_model.bin", list(ARRAYS))


def old_bin(folder: Path) -> None:
    binary(folder / "pytorch_model.bin", list(ARRAYS), old=True)


def bin_shards(folder: Path) -> None:
    binary(folder / "pytorch_model-1.bin", ["a.weight"])
    binary(folder / "pytorch_model-2.bin", ["b.weight", "c.bias"])
    placed = dict.fromkeys(("b.weight", "c.bias"), "pytorch_model-2.bin") | {"a.weight": "pytorch_model-1.bin"}
    index(folder / "pytorch_model.bin.index.json", placed)


@pytest.mark.parametrize("layout", [one_file, shards, one_bin, old_bin, bin_shards])
def test_every_layout_gives_the_same_tensors(layout: object, tmp_path: Path) -> None:
    layout(tmp_path)  # type: ignore[operator]
    found = open_weights(tmp_path)
    assert {name: (spec.dtype, spec.shape) for name, spec in found.specs.items()} == {
        name: (array.dtype.name, array.shape) for name, array in ARRAYS.items()
    }
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.read(name), array)
        assert found.read(name).dtype == array.dtype


def test_safetensors_come_before_a_bin(tmp_path: Path) -> None:
    binary(tmp_path / "pytorch_model.bin", ["a.weight"])
    one_file(tmp_path)
    assert set(open_weights(tmp_path).specs) == set(ARRAYS)


def test_a_pickle_that_calls_something_is_not_executed(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"a": Touch()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ParityError, match="weights only"):
        open_weights(tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("placed", "told"),
    [
        ({"a.weight": "../outside.safetensors"}, "no shard ../outside.safetensors"),
        ({"a.weight": "missing.safetensors"}, "no shard missing.safetensors"),
        ({"gone": "model-1.safetensors"}, "no shard holds gone"),
        ({}, "not an index of shards"),
        ({"a.weight": 3}, "not an index of shards"),
    ],
)
def test_an_index_that_lies_is_refused(placed: dict[str, str], told: str, tmp_path: Path) -> None:
    safetensors(tmp_path / "model-1.safetensors", ["a.weight"])
    safetensors(tmp_path.parent / "outside.safetensors", ["a.weight"])
    index(tmp_path / "model.safetensors.index.json", placed)
    with pytest.raises(ParityError, match=told):
        open_weights(tmp_path)


def test_more_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ParityError, match="not a state dict"):
        open_weights(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(ParityError, match="no weights here"):
        open_weights(tmp_path)
