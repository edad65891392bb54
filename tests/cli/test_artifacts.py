"""parity convert, verify, inspect, as a user types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CONFIG, ERF, PREFIX, VOCAB, arrays, tree, write_source

from parity.artifacts import read_proof
from parity.tensorfile import Array

from .conftest import Parity


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source", extra={"global_step": np.array(1, np.int64)})


def test_convert_tells_what_it_wrote_assumed_and_left(parity: Parity, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = parity("convert", source, out)
    assert said.code == 0
    assert said.out == f"{out}: 46 tensors, 1 left behind, proof in conversion.json\n"
    assumed = said.err.splitlines()
    assert len(assumed) == 2
    assert all(line.startswith("assumed: ") for line in assumed)
    assert "erf" in assumed[0]
    assert "casing read off the vocabulary: lower-case" in assumed[1]


def test_every_option_arrives(parity: Parity, tmp_path: Path) -> None:
    def change(held: dict[str, Array]) -> None:
        held["my/bias"] = held.pop("bert/pooler/dense/bias")
        held["scratch/a"] = held["my/bias"]

    source = write_source(tmp_path / "source", change=change)
    for name in ("bert_config.json", "vocab.txt"):
        (source / name).rename(tmp_path / name)
    out = tmp_path / "out"
    out.mkdir()
    said = parity(
        *("convert", source, out, "--force", "--family", "bert", "--head", "nsp", "--format", "safetensors"),
        *("--config", tmp_path / "bert_config.json", "--vocab", tmp_path / "vocab.txt", "--activation", "tanh"),
        *("--cased", "--strip-accents", "--drop", "scratch/*", "--map", "my/bias=bert/pooler/dense/bias"),
        *("--set", "hidden_dropout_prob=0.4", "--set", "initializer_range=0.5"),
    )
    assert said.code == 0, said.err
    proof = read_proof(out)
    assert (proof.head, proof.activation) == ("nsp", "gelu_tanh")
    assert (proof.casing["lower_case"], proof.casing["strip_accents"]) == (False, True)
    assert "scratch/a" in [dropped.source for dropped in proof.dropped]
    assert "my/bias" in [line.source for line in proof.tensors]
    written = json.loads((out / "config.json").read_text())
    assert (written["hidden_dropout_prob"], written["initializer_range"]) == (0.4, 0.5)


def test_lower_case_and_kept_accents_arrive(parity: Parity, source: Path, tmp_path: Path) -> None:
    assert parity("convert", source, tmp_path / "out", "--lower-case", "--keep-accents").code == 0
    casing = read_proof(tmp_path / "out").casing
    assert (casing["lower_case"], casing["strip_accents"]) == (True, False)


def test_there_and_back_on_the_command_line(parity: Parity, source: Path, tmp_path: Path) -> None:
    assert parity("convert", source, tmp_path / "hf").code == 0
    assert parity("convert", tmp_path / "hf", tmp_path / "tf", "--to", "tensorflow").code == 0
    said = parity("verify", tmp_path / "tf", "--source", source)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{tmp_path / 'tf'}: 46 tensors and 3 files are as the proof says, 46 against the source\n"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


BAD: dict[str, tuple[Callable[[Path], Any], list[str], str]] = {
    "flipped data": (lambda f: flip(f / f"{PREFIX}.data-00000-of-00001"), [], f"{PREFIX}.data-00000-of-00001"),
    "truncated index": (lambda f: (f / f"{PREFIX}.index").write_bytes(b"x"), [], f"{PREFIX}.index"),
    "config gone": (lambda f: (f / "bert_config.json").unlink(), [], "--config"),
    "config of other sizes": (
        lambda f: (f / "bert_config.json").write_text(json.dumps(CONFIG | {"hidden_size": 16, "vocab_size": 7})),
        [],
        "bert_config.json",
    ),
    "vocabulary too short": (lambda f: (f / "vocab.txt").write_text("\n".join(VOCAB[:9])), [], "vocab.txt"),
    "not a number": (
        lambda f: write_source(f, tensors=arrays() | {"bert/pooler/dense/bias": np.full(8, np.nan, "f4")}),
        [],
        "bert/pooler/dense/bias",
    ),
    "head not held": (lambda f: None, ["--head", "qa"], "holds no head qa"),
    "no such kind": (lambda f: None, ["--to", "jax"], "cannot convert to jax"),
    "pair without equals": (lambda f: None, ["--set", "a"], "--set wants NAME=VALUE"),
    "glob that meets nothing": (lambda f: None, ["--drop", "zzz*"], "meets no variable"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_is_exit_2_one_message_and_no_trace(parity: Parity, source: Path, tmp_path: Path, bad: str) -> None:
    change, options, names = BAD[bad]
    change(source)
    before = tree(tmp_path)
    said = parity("convert", source, tmp_path / "out", *options)
    assert said.code == 2
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith("parity: ")
    assert all(line.startswith("  - ") for line in lines[1:])
    assert names in said.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "model", ["nothing-of-this-name", "./nowhere", "/nowhere/at/all", "", ".", "\0", "x" * 5000, "rubret"]
)
def test_what_is_no_model_is_exit_2(
    parity: Parity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["convert", model, "out"], ["inspect", model], ["verify", model]):
        said = parity(*arguments)
        assert said.code == 2, arguments
        assert said.err.startswith(("parity: ", "Usage: "))
        assert len([line for line in said.err.splitlines() if line.startswith(("parity: ", "Error: "))]) == 1
        assert len(said.err) < 1000 + 2 * len(model)
    assert tree(tmp_path) == set()


def test_a_name_nearly_right_gets_the_right_one(parity: Parity, tmp_path: Path) -> None:
    assert "rubert" in parity("convert", "rubret", tmp_path / "out").err


@pytest.mark.parametrize("out", ["x" * 300, "a\0b", "file/below"])
def test_a_place_that_cannot_be_is_exit_2(
    parity: Parity, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    before = tree(tmp_path)
    said = parity("convert", source, out)
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith(("parity: ", "Error: "))
    assert tree(tmp_path) == before


def test_verify_ends_in_0_1_or_2(parity: Parity, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    parity("convert", source, out)
    said = parity("verify", out, "--source", source / PREFIX)
    assert said.code == 0
    assert said.out == f"{out}: 46 tensors and 5 files are as the proof says, 46 against the source\n"
    other = write_source(tmp_path / "other", change=lambda held: held["bert/pooler/dense/bias"].__iadd__(1))
    said = parity("verify", out, "--source", other)
    assert said.code == 1
    assert "bert/pooler/dense/bias of other has other values" in said.err
    assert parity("verify", out, "--source", tmp_path / "nowhere").code == 2
    flip(out / "model.safetensors")
    flip(out / "vocab.txt")
    said = parity("verify", out)
    assert said.code == 1
    assert said.out == ""
    assert said.err.splitlines()[0] == f"parity: {out}: the artifact is not what its proof says: 2 problems"
    (out / "conversion.json").write_text("{}")
    assert parity("verify", out).code == 2


def test_a_missing_runtime_is_exit_3(
    parity: Parity, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["parity.artifacts.convert"], "find_spec", lambda name: None)
    said = parity("convert", source, tmp_path / "out", "--to", "onnx")
    assert said.code == 3
    assert 'pip install "parity[onnx]"' in said.err


def test_inspect_as_text_and_json(parity: Parity) -> None:
    said = parity("inspect", ERF)
    assert said.code == 0
    assert said.out.splitlines()[0].startswith(f"{ERF / PREFIX}: tensorflow-v2, 187 tensors")
    assert "family bert; heads pretraining, mlm, lm, nsp, none; layers 3" in said.out
    assert "left behind: 62 x optimizer slot adam_m" in said.out
    plain = json.loads(parity("inspect", ERF / f"{PREFIX}.index", "--json").out)
    assert plain["family"] == "bert"
    assert len(plain["tensors"]) == 187


def test_inspect_of_another_architecture_shows_it_and_is_exit_2(parity: Parity, tmp_path: Path) -> None:
    from parity.checkpoints import write_bundle
    from parity.tensorfile import TensorSpec

    write_bundle(tmp_path / "m", [TensorSpec("model/wte", "float32", (2, 3))], [np.zeros((2, 3), np.float32)])
    said = parity("inspect", tmp_path)
    assert said.code == 2
    assert "model/wte  float32  2x3" in said.out
    assert "belong to no known family" in said.err
    assert parity("inspect", tmp_path, "--json").code == 0


def test_a_cards_name_is_its_checkpoint(parity: Parity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights under $PARITY_MODELS/NAME, told from a file of that name in the working directory."""
    import parity.models as module
    from parity.cli.artifacts import checkpoint_path

    monkeypatch.setattr(module, "resolve", lambda name: type("Source", (), {"checkpoint": tmp_path / name})())
    monkeypatch.chdir(tmp_path)
    assert checkpoint_path("rubert") == tmp_path / "rubert"
    assert checkpoint_path("elsewhere") == Path("elsewhere")
    (tmp_path / "rubert").mkdir()
    assert checkpoint_path("rubert") == Path("rubert")


@pytest.mark.parametrize("option", ["--converter-config", "--config"])
def test_a_converter_config_names_class_and_config(parity: Parity, tmp_path: Path, option: str) -> None:
    source = write_source(tmp_path / "source", "qa")
    (source / "bert_config.json").rename(tmp_path / "sizes.json")
    path = tmp_path / "converter_config.json"
    named = {"bert_config_path": str(tmp_path / "sizes.json"), "bert_model_class": "BertForQuestionAnswering"}
    path.write_text(json.dumps({**named, "tf_torch_mappings": {"cls/squad": "qa_output"}}))
    said = parity("convert", source, tmp_path / "out", option, path)
    assert said.code == 0, said.err
    assert "has no qa_output; it has qa_outputs, which is taken" in said.err
    assert read_proof(tmp_path / "out").head == "qa"
