"""OpenAI GPT converted from its own files, published and trained: proved, and back again byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_gpt import GOLDEN, TRAINED, arrays, write_source

from parity.artifacts import Choices, convert_checkpoint, convert_folder
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.tensorfile import map_tensors

ENCODER = GOLDEN / "encoder_bpe_40000.json"
HEADS = Choices(settings={"n_head": "4"})
TRAINING = Choices(settings={"n_head": "4", "n_vocab": "193"}, tokenizer=False)


def test_the_published_files_return_byte_for_byte(tmp_path: Path) -> None:
    proof = convert_checkpoint(str(GOLDEN), tmp_path / "hf", choices=HEADS)
    assert (proof.family, proof.head, len(proof.tensors)) == ("openai-gpt", "lm", 38)
    verify(tmp_path / "hf", source=GOLDEN)
    back = convert_folder(tmp_path / "hf", tmp_path / "back", to="tensorflow")
    assert back.notes["origin"] == "bit-identical to the checkpoint that was converted"
    verify(tmp_path / "back", source=GOLDEN)
    for name in ("params_shapes.json", *(f"params_{number}.npy" for number in range(10))):
        assert (tmp_path / "back" / name).read_bytes() == (GOLDEN / name).read_bytes()
    for name in ("encoder_bpe_40000.json", "vocab_40000.bpe"):
        assert (tmp_path / "back" / name).read_bytes() == (GOLDEN / name).read_bytes()


def test_what_training_saved_is_cut_in_two_and_keeps_its_classifier(tmp_path: Path) -> None:
    proof = convert_checkpoint(str(TRAINED), tmp_path / "hf", choices=TRAINING)
    assert proof.head == "multiple-choice"
    verify(tmp_path / "hf", source=TRAINED)
    held = map_tensors(tmp_path / "hf" / "model.safetensors")
    golden = np.load(GOLDEN / "golden.npz")
    with open_checkpoint(GOLDEN) as published:
        tokens = np.concatenate([published.read("tokens"), golden["special_embeddings"]])
        np.testing.assert_array_equal(held["transformer.tokens_embed.weight"], tokens)
        np.testing.assert_array_equal(held["transformer.positions_embed.weight"], published.read("positions"))
    np.testing.assert_array_equal(held["multiple_choice_head.summary.weight"], golden["clf_w"].T)
    assert {line.operation for line in proof.tensors if line.source == "model/we"} == {
        "cut 0 to 196 of 236",
        "cut 196 to 236 of 236",
    }


def test_what_training_saved_returns_byte_for_byte(tmp_path: Path) -> None:
    convert_checkpoint(str(TRAINED), tmp_path / "hf", choices=replace(TRAINING, tokenizer=True), vocab=ENCODER)
    back = convert_folder(tmp_path / "hf", tmp_path / "back", to="tensorflow")
    assert back.notes["origin"] == "bit-identical to the checkpoint that was converted"
    verify(tmp_path / "back", source=TRAINED)
    written = (tmp_path / "back" / "best_params.jl").read_bytes()
    assert written == (TRAINED / "best_params.jl").read_bytes()
    assert not list((tmp_path / "back").glob("params_*"))


def test_heads_that_no_tensor_tells_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"n_head is missing, which no tensor tells"):
        convert_checkpoint(str(GOLDEN), tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_options_of_training_beside_the_files_are_read(tmp_path: Path) -> None:
    folder = write_source(tmp_path / "source")
    proof = convert_checkpoint(str(folder), tmp_path / "hf", choices=Choices(tokenizer=False))
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert (config["n_head"], config["afn"], config["vocab_size"]) == (2, "gelu", 37)
    assert len(proof.tensors) == len(arrays())


@pytest.mark.parametrize("change", [{"n_embd": "16"}, {"n_vocab": "40"}, {"n_layer": "4"}])
def test_numbers_that_the_tensors_contradict_are_refused(tmp_path: Path, change: dict[str, str]) -> None:
    choices = Choices(settings={"n_head": "4", **change})
    with pytest.raises(ParityError, match=next(iter(change))):
        convert_checkpoint(str(GOLDEN), tmp_path / "hf", choices=choices)
    assert not (tmp_path / "hf").exists()
