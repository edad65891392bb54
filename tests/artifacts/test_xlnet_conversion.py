"""XLNet's conversion end to end: there and back, heads by task, what fine-tuning leaves out, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_xlnet import CONFIG, GOLDEN, arrays, write_source

from parity.artifacts import Choices, convert_checkpoint
from parity.artifacts.proof import read_proof
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint
from parity.errors import BrokenParity, ParityError
from parity.tensorfile import Array, TensorSpec, map_tensors, write_tensors


def held(folder: Path) -> dict[str, Array]:
    with open_checkpoint(folder) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.entries}


def rewritten(folder: Path, changes: dict[str, Array]) -> None:
    """The weights of a Hugging Face directory, trained further."""
    tensors = {name: array.copy() for name, array in map_tensors(folder / "model.safetensors").items()} | changes
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]
    write_tensors(folder / "model.safetensors", specs, iter(tensors.values()), metadata={"format": "pt"})


@pytest.mark.parametrize("head", ["lm", "classifier-imdb", "regression-sts-b", "multiple-choice", "qa", "qa-model"])
@pytest.mark.parametrize("untied", [True, False], ids=["untied", "tied"])
def test_there_and_back_is_bit_identical(head: str, untied: bool, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", head, config=CONFIG | {"untie_r": untied})
    there = convert_checkpoint(str(source), tmp_path / "there")
    assert there.head == head
    assert verify(tmp_path / "there", source=source).tensors == len(there.tensors)
    back = convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    assert back.notes["origin"] == "bit-identical to the checkpoint that was converted"
    verify(tmp_path / "back", source=tmp_path / "there")
    before, after = held(source), held(tmp_path / "back")
    assert before.keys() - after.keys() == {"global_step"}
    for name, array in after.items():
        np.testing.assert_array_equal(array, before[name])
    assert json.loads((tmp_path / "back" / "xlnet_config.json").read_text()) == CONFIG | {"untie_r": untied}
    assert (tmp_path / "back" / "spiece.model").read_bytes() == (GOLDEN / "spiece.model").read_bytes()


def test_the_golden_there_and_back(tmp_path: Path) -> None:
    proof = convert_checkpoint(str(GOLDEN), tmp_path / "there")
    assert any("gelu_new" in line for line in proof.assumptions)
    assert json.loads((tmp_path / "there" / "config.json").read_text())["ff_activation"] == "gelu_new"
    convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    before, after = held(GOLDEN), held(tmp_path / "back")
    assert all(np.array_equal(array, before[name]) for name, array in after.items())
    assert before.keys() - after.keys() == {"global_step"}


def test_what_fine_tuning_lacks_is_written_as_zeros_and_said(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", "classifier-imdb")
    proof = convert_checkpoint(str(source), tmp_path / "there")
    tensors = map_tensors(tmp_path / "there" / "model.safetensors")
    assert tensors["transformer.mask_emb"].shape == (1, 1, 8)
    assert not tensors["transformer.mask_emb"].any()
    assert any("transformer.mask_emb is written as zeros" in line for line in proof.assumptions)
    assert [line.target for line in proof.tensors if line.operation == "zeros"] == ["transformer.mask_emb"]
    whole = write_source(tmp_path / "whole", "classifier-imdb", extra=arrays("lm"))
    assert not [
        line
        for line in convert_checkpoint(str(whole), tmp_path / "kept", choices=Choices(head="classifier")).tensors
        if line.operation == "zeros"
    ]


def test_trained_further_it_goes_back_as_a_tensor(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", "classifier-imdb")), tmp_path / "there")
    rewritten(tmp_path / "there", {"transformer.mask_emb": np.ones((1, 1, 8), np.float32)})
    convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    assert held(tmp_path / "back")["model/transformer/mask_emb/mask_emb"].all()


def test_tied_biases_that_were_trained_apart_have_no_way_back(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", config=CONFIG | {"untie_r": False})), tmp_path / "there")
    rewritten(tmp_path / "there", {"transformer.layer.1.rel_attn.r_r_bias": np.ones((2, 4), np.float32)})
    with pytest.raises(ParityError, match=r"layer\.1\.rel_attn\.r_r_bias.*values of their own"):
        convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    assert not (tmp_path / "back").exists()


def test_a_copy_that_was_changed_is_found(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", config=CONFIG | {"untie_r": False})), tmp_path / "there")
    rewritten(tmp_path / "there", {"transformer.layer.1.rel_attn.r_r_bias": np.ones((2, 4), np.float32)})
    with pytest.raises(BrokenParity, match=r"layer\.1\.rel_attn\.r_r_bias has other values"):
        verify(tmp_path / "there")


@pytest.mark.parametrize("asked", ["classifier-imdb", "classifier-mnli", "regression-sts-b", "regression"])
def test_of_several_tasks_one_is_asked_for(asked: str, tmp_path: Path) -> None:
    extra: dict[str, Any] = {
        name: array
        for head, labels in (("classifier-mnli", 3), ("regression-sts-b", 1))
        for name, array in arrays(head, labels=labels).items()
        if "logit" in name
    }
    source = write_source(tmp_path / "source", "classifier-imdb", labels=2, extra=extra)
    for head in (None, "classifier"):
        with pytest.raises(ParityError, match="classifier-imdb, classifier-mnli, regression-sts-b"):
            convert_checkpoint(str(source), tmp_path / "there", choices=Choices(head=head))
    proof = convert_checkpoint(str(source), tmp_path / "there", choices=Choices(head=asked))
    assert proof.head == {"regression": "regression-sts-b"}.get(asked, asked)
    config = json.loads((tmp_path / "there" / "config.json").read_text())
    outputs = {"classifier-imdb": 2, "classifier-mnli": 3}.get(asked, 1)
    assert len(config["id2label"]) == outputs
    assert map_tensors(tmp_path / "there" / "model.safetensors")["logits_proj.weight"].shape == (outputs, 8)
    assert len([line for line in read_proof(tmp_path / "there").dropped if "logit" in line.source]) == 4


def test_a_directory_without_a_proof_is_a_source_too(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    convert_checkpoint(str(source), tmp_path / "there")
    (tmp_path / "there" / "conversion.json").unlink()
    convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    before, after = held(source), held(tmp_path / "back")
    assert all(np.array_equal(array, before[name]) for name, array in after.items())
    assert json.loads((tmp_path / "back" / "xlnet_config.json").read_text()) == CONFIG


def test_the_config_is_read_off_the_tensors_but_for_the_activation(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    (source / "xlnet_config.json").write_text("{}")
    with pytest.raises(ParityError, match="ff_activation is missing"):
        convert_checkpoint(str(source), tmp_path / "there")
    convert_checkpoint(str(source), tmp_path / "there", choices=Choices(settings={"ff_activation": "gelu"}))
    assert json.loads((tmp_path / "there" / "config.json").read_text())["n_head"] == 2


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"n_layer": 3}, "n_layer does not fit"),
        ({"untie_r": False}, "untie_r does not fit"),
        ({"n_token": 399}, "n_token"),
    ],
)
def test_a_config_of_another_model_is_refused(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    (source / "xlnet_config.json").write_text(json.dumps(CONFIG | changes))
    with pytest.raises(ParityError, match=what):
        convert_checkpoint(str(source), tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_data_under_the_prefix_itself_is_told(tmp_path: Path) -> None:
    # As a Chinese XLNet was published: the shard lies under the name of the prefix.
    source = write_source(tmp_path / "source")
    shutil.move(source / "xlnet_model.ckpt.data-00000-of-00001", source / "xlnet_model.ckpt")
    with pytest.raises(ParityError, match=r"xlnet_model\.ckpt"):
        convert_checkpoint(str(source), tmp_path / "there")


@pytest.mark.parametrize("kind", ["openvino", "onnx"])
def test_kernels_kept_by_head_are_proved_as_integers(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime" if kind == "onnx" else kind, reason=f'pip install "parity[{kind}]"')
    convert_checkpoint(str(GOLDEN), tmp_path / "out", to=kind, compress="int8")
    lines = {line.target: line for line in read_proof(tmp_path / "out").tensors}
    kernel = lines["transformer.layer.0.rel_attn.q"]
    assert (kernel.target_dtype.removeprefix("u"), len(kernel.source_shape)) == ("int8", 3)
    verify(tmp_path / "out", source=GOLDEN)
