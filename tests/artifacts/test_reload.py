"""Converted directories load the way their users load them, in the transformers that is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_names import CLASSES, lines
from small_bert import CONFIG, ERF, arrays, read_source, write_source

from parity.artifacts import Choices, convert_checkpoint
from parity.artifacts.reload import main, reload
from parity.errors import ParityError
from parity.families import family
from parity.tensorfile import TensorSpec, map_tensors, write_tensors

HEADS = sorted(CLASSES)
pytestmark = pytest.mark.usefixtures("transformers")
SPARE = ("bert.pooler.dense.bias", "bert.pooler.dense.weight")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    base = tmp_path_factory.mktemp("reload")
    for head in HEADS:
        convert_checkpoint(str(write_source(base / f"{head}-source", head)), base / head)
    return {head: base / head for head in HEADS}


def loaded(capsys: pytest.CaptureFixture[str], folder: Path, *spare: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["pytorch", str(folder), *spare]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


@pytest.mark.parametrize("head", HEADS)
def test_the_named_class_and_automodel_find_every_weight(
    folders: Mapping[str, Path], capsys: pytest.CaptureFixture[str], head: str
) -> None:
    unused = family("bert").unused_by_class(next(one for one in family("bert").all_heads if one.name == head))
    found = loaded(capsys, folders[head], *sorted(unused))
    assert found["problems"] == []
    assert found["seen"].startswith(f"{CLASSES[head]} and AutoModel, transformers ")


@pytest.mark.parametrize("head", HEADS)
def test_what_is_loaded_is_what_the_checkpoint_holds(transformers: Any, folders: Mapping[str, Path], head: str) -> None:
    model = getattr(transformers, CLASSES[head]).from_pretrained(folders[head], local_files_only=True)
    state, held = model.state_dict(), arrays(head)
    compared = 0
    for line in lines(2, head):
        if line.target in state:
            expected = held[line.source].T if line.turned else held[line.source]
            np.testing.assert_array_equal(state[line.target].numpy(), expected)
            compared += 1
    assert compared == len(held) - (2 if head in ("qa", "mlm") else 0)
    assert model.config.num_hidden_layers == CONFIG["num_hidden_layers"]
    assert model.config.hidden_act == "gelu"
    if head == "classifier":
        assert model.config.num_labels == 3


def test_a_tensor_that_is_missing_is_told(folders: Mapping[str, Path], tmp_path: Path, capsys: Any) -> None:
    tensors = dict(map_tensors(folders["pretraining"] / "model.safetensors"))
    tensors["bert.pooler.dense.bais"] = tensors.pop("bert.pooler.dense.bias")
    specs = [TensorSpec(name, "float32", array.shape) for name, array in tensors.items()]
    write_tensors(tmp_path / "model.safetensors", specs, tensors.values(), metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((folders["pretraining"] / "config.json").read_bytes())
    problems = loaded(capsys, tmp_path)["problems"]
    assert "BertForPreTraining: missing keys bert.pooler.dense.bias" in problems
    assert "BertForPreTraining: unexpected keys bert.pooler.dense.bais" in problems
    assert any(problem.startswith("AutoModel: missing keys ") for problem in problems)


def test_the_pooler_that_a_class_lacks_is_unexpected_unless_spared(
    folders: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (problem,) = loaded(capsys, folders["qa"])["problems"]
    assert problem == f"BertForQuestionAnswering: unexpected keys {', '.join(SPARE)}"


def test_a_bin_loads_as_well(transformers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert_checkpoint(str(ERF), tmp_path / "bin", form="bin", choices=Choices(activation="tanh"))
    assert loaded(capsys, tmp_path / "bin")["problems"] == []
    assert transformers.AutoConfig.from_pretrained(tmp_path / "bin").hidden_act == "gelu_new"


@pytest.mark.parametrize("head", ["pretraining", "classifier", "qa", "none"])
def test_what_transformers_saves_goes_back_to_tensorflow(
    transformers: Any, folders: Mapping[str, Path], tmp_path: Path, head: str
) -> None:
    model = getattr(transformers, CLASSES[head]).from_pretrained(folders[head], local_files_only=True)
    next(iter(model.parameters())).data.add_(1)
    model.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "vocab.txt").write_bytes((folders[head] / "vocab.txt").read_bytes())
    proof = convert_checkpoint(str(tmp_path / "saved"), tmp_path / "out", to="tensorflow")
    expected = arrays(head)
    expected["bert/embeddings/word_embeddings"] = expected["bert/embeddings/word_embeddings"] + np.float32(1)
    absent = {name.replace(".", "/").replace("weight", "kernel") for name in proof.notes["absent"]}
    back = read_source(tmp_path / "out")
    assert absent == ({"bert/pooler/dense/kernel", "bert/pooler/dense/bias"} if head == "qa" else set())
    assert back.keys() == expected.keys() - absent
    assert all(np.array_equal(back[name], expected[name]) for name in back)


def test_an_interpreter_that_dies_is_heard(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="does not load: KeyError: 'nonsense'; convert again"):
        reload("nonsense", tmp_path)
