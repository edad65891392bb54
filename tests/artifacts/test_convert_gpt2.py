"""GPT-2 there and back, with what fine-tuning leaves beside it, and sources that do not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_gpt2 import GOLDEN, arrays, write_source

from parity.artifacts import Choices, convert_checkpoint, read_proof
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec, map_tensors, write_tensors

RAW = json.loads((GOLDEN / "hparams.json").read_text(encoding="utf-8"))


def source(folder: Path, extra: dict[str, Array] | None = None, **changes: object) -> Path:
    """The golden's shape with drawn weights, and its vocabulary."""
    write_source(folder, {**arrays(RAW), **(extra or {})}, {**RAW, **changes})
    for name in ("encoder.json", "vocab.bpe"):
        shutil.copyfile(GOLDEN / name, folder / name)
    return folder


def test_there_and_back_is_bit_identical(tmp_path: Path) -> None:
    convert_checkpoint(str(GOLDEN), tmp_path / "hf")
    verify(tmp_path / "hf", source=GOLDEN)
    convert_checkpoint(str(tmp_path / "hf"), tmp_path / "tf", to="tensorflow")
    with open_checkpoint(GOLDEN) as before, open_checkpoint(tmp_path / "tf") as after:
        assert before.entries.keys() == after.entries.keys()
        for name in before.entries:
            assert before.read(name).tobytes() == after.read(name).tobytes(), name
            assert before.entries[name].shape == after.entries[name].shape, name
    for name in ("encoder.json", "vocab.bpe"):
        assert (tmp_path / "tf" / name).read_bytes() == (GOLDEN / name).read_bytes()
    assert json.loads((tmp_path / "tf" / "hparams.json").read_text(encoding="utf-8")) == RAW


def test_what_fine_tuning_leaves_is_left_behind_and_told(tmp_path: Path) -> None:
    slots = {f"train/{name}/{slot}": array for name, array in arrays(RAW).items() for slot in ("Adam", "Adam_1")}
    state = {"global_step": np.array(7, np.int64), "learning_rate": np.array(1e-4, np.float32)}
    proof = convert_checkpoint(str(source(tmp_path / "c", slots | state)), tmp_path / "hf")
    assert {line.source for line in proof.dropped} == slots.keys() | state.keys()
    held = map_tensors(tmp_path / "hf" / "model.safetensors")
    np.testing.assert_array_equal(held["transformer.h.1.mlp.c_fc.weight"], arrays(RAW)["model/h1/mlp/c_fc/w"][0])
    assert "lm_head.weight" not in held


def test_without_hparams_the_heads_are_asked_for(tmp_path: Path) -> None:
    folder = source(tmp_path / "c")
    (folder / "hparams.json").unlink()
    with pytest.raises(ParityError, match="n_head is missing"):
        convert_checkpoint(str(folder), tmp_path / "hf")
    convert_checkpoint(str(folder), tmp_path / "hf", choices=Choices(settings={"n_head": "4"}))
    assert json.loads((tmp_path / "hf" / "config.json").read_text(encoding="utf-8"))["n_head"] == 4
    told = " ".join(read_proof(tmp_path / "hf").assumptions)
    assert "n_layer = 4" in told
    assert "n_head overridden by --set to 4" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_layer": 3}, "n_layer does not fit"),
        ({"n_vocab": 50257}, "n_vocab does not fit"),
        ({"n_ctx": 1024}, "n_ctx does not fit"),
        ({"n_embd": 768}, "n_embd does not fit"),
        ({"n_head": 5}, "n_embd is no multiple of n_head"),
    ],
)
def test_a_config_of_another_size_is_refused(tmp_path: Path, change: dict[str, int], told: str) -> None:
    with pytest.raises(ParityError, match=told):
        convert_checkpoint(str(source(tmp_path / "c", **change)), tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_an_unknown_variable_is_refused_or_decided_by_hand(tmp_path: Path) -> None:
    folder = source(tmp_path / "c", {"model/h0/attn/c_attn/q": np.zeros((64, 64), np.float32)})
    with pytest.raises(ParityError, match="model/h0/attn/c_attn/q"):
        convert_checkpoint(str(folder), tmp_path / "hf")
    proof = convert_checkpoint(str(folder), tmp_path / "hf", choices=Choices(drop=("*/c_attn/q",)))
    assert [(line.source, line.reason) for line in proof.dropped] == [("model/h0/attn/c_attn/q", "dropped by --drop")]


@pytest.mark.parametrize("family", ["bert", "openai-gpt", "xlnet"])
def test_another_family_is_refused(tmp_path: Path, family: str) -> None:
    with pytest.raises(ParityError):
        convert_checkpoint(str(GOLDEN), tmp_path / "hf", choices=Choices(family=family))
    assert not (tmp_path / "hf").exists()


def test_casing_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="--lower-case"):
        convert_checkpoint(str(GOLDEN), tmp_path / "hf", choices=Choices(lower_case=True))


def test_a_directory_as_the_hub_has_it_keeps_every_weight_and_leaves_the_masks(tmp_path: Path) -> None:
    """Without the prefix, and with the causal mask of each block among the tensors."""
    convert_checkpoint(str(GOLDEN), tmp_path / "hf")
    held = map_tensors(tmp_path / "hf" / "model.safetensors")
    bare = {name.removeprefix("transformer."): np.array(array) for name, array in held.items()}
    masks = {f"h.{k}.attn.bias": np.tri(40, dtype=np.float32)[None, None] for k in range(4)}
    both = {**bare, **masks}
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in both.items()]
    write_tensors(tmp_path / "hf" / "model.safetensors", specs, both.values(), metadata={"format": "pt"})
    (tmp_path / "hf" / "conversion.json").unlink()
    proof = convert_checkpoint(str(tmp_path / "hf"), tmp_path / "tf", to="tensorflow")
    assert {line.source.removeprefix("transformer.") for line in proof.dropped} == masks.keys()
    with open_checkpoint(GOLDEN) as before, open_checkpoint(tmp_path / "tf") as after:
        assert all(before.read(name).tobytes() == after.read(name).tobytes() for name in before.entries)
