"""The way back: Hugging Face directories, converted or trained or foreign, as TensorFlow checkpoints."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_names import CLASSES, lines
from small_bert import CONFIG, CYRILLIC, ERF, VOCAB, arrays, read_source, tree, write_source

from parity.artifacts import Choices, Proof, convert_checkpoint, read_proof
from parity.artifacts.hf_folder import is_hf_folder, read_hf_folder
from parity.artifacts.verify import verify
from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec, map_tensors, write_tensors

IDENTICAL = "bit-identical to the checkpoint that was converted"
FOREIGN = "a Hugging Face directory without a proof"


def back(folder: Path, out: Path, **options: Any) -> Proof:
    return convert_checkpoint(str(folder), out, to="tensorflow", **options)


def same(one: dict[str, Array], other: dict[str, Array]) -> bool:
    def content(tensors: dict[str, Array]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
        return {name: (a.dtype.name, a.shape, a.tobytes()) for name, a in tensors.items()}

    return content(one) == content(other)


def rewrite(folder: Path, change: Callable[[dict[str, Array]], object]) -> None:
    tensors = {name: np.array(array) for name, array in map_tensors(folder / "model.safetensors").items()}
    change(tensors)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]
    write_tensors(folder / "model.safetensors", specs, tensors.values(), metadata={"format": "pt"})


def edit(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A converted directory."""
    convert_checkpoint(str(write_source(tmp_path / "source")), tmp_path / "hf")
    return tmp_path / "hf"


@pytest.fixture
def foreign(folder: Path) -> Path:
    """The same as somebody else would have saved it."""
    (folder / "conversion.json").unlink()
    return folder


@pytest.mark.parametrize("case", [ERF, CYRILLIC], ids=lambda case: case.name)
def test_a_golden_returns_bit_for_bit(tmp_path: Path, converted: dict[Path, Path], case: Path) -> None:
    proof = back(converted[case], tmp_path / "out")
    names = {line.source for line in lines(3, "pretraining")}
    assert same(read_source(tmp_path / "out"), {k: v for k, v in read_source(case).items() if k in names})
    assert proof.notes["origin"] == IDENTICAL
    assert json.loads((tmp_path / "out" / "bert_config.json").read_text()) == json.loads(
        (case / "bert_config.json").read_text()
    )
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (case / "vocab.txt").read_bytes()
    assert tree(tmp_path / "out") == {
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "conversion.json",
        "vocab.txt",
    }


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("head", sorted(CLASSES))
def test_every_head_and_precision_returns_bit_for_bit(tmp_path: Path, head: str, dtype: str) -> None:
    source = write_source(tmp_path / "source", head, dtype=dtype)
    convert_checkpoint(str(source), tmp_path / "hf")
    proof = back(tmp_path / "hf", tmp_path / "out")
    assert same(read_source(tmp_path / "out"), arrays(head, dtype=dtype))
    assert proof.notes["origin"] == IDENTICAL
    verify(tmp_path / "out", source=source)


def test_there_and_back_in_one_go_proves_and_leaves_nothing_between(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", extra={"global_step": np.array(1, np.int64)})
    proof = back(source, tmp_path / "out")
    assert same(read_source(tmp_path / "out"), arrays())
    assert proof.notes["origin"] == IDENTICAL
    assert [dropped.source for dropped in proof.dropped] == ["global_step"]
    assert not any(".pytorch" in name for name in [*tree(tmp_path / "out"), *proof.files])
    assert verify(tmp_path / "out", source=source).tensors == len(arrays())


def test_the_activation_is_known_at_the_other_end(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    convert_checkpoint(str(source), tmp_path / "hf", choices=Choices(activation="tanh"))
    assert back(tmp_path / "hf", tmp_path / "out").activation == "gelu_tanh"
    assert json.loads((tmp_path / "out" / "bert_config.json").read_text())["hidden_act"] == "gelu", "as Google's says"


def test_trained_further_in_place_is_said_and_written_as_it_is(tmp_path: Path, folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors["bert.pooler.dense.weight"].__setitem__((0, 1), 9.0))
    proof = back(folder, tmp_path / "out")
    assert proof.notes["origin"] == "1 tensors changed since conversion, bert/pooler/dense/kernel among them"
    kernel = read_source(tmp_path / "out")["bert/pooler/dense/kernel"]
    assert kernel[1, 0] == 9.0
    verify(tmp_path / "out", source=folder)


def test_half_weights_trained_further_keep_what_training_gave_them(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", dtype="bfloat16")
    convert_checkpoint(str(source), tmp_path / "hf")
    fine = np.float32(1.2345678)
    rewrite(tmp_path / "hf", lambda tensors: tensors["bert.pooler.dense.bias"].__setitem__(0, fine))
    back(tmp_path / "hf", tmp_path / "out")
    tensors = read_source(tmp_path / "out")
    assert tensors["bert/pooler/dense/bias"].dtype == np.float32
    assert tensors["bert/pooler/dense/bias"][0] == fine
    assert tensors["bert/pooler/dense/kernel"].dtype.name == "bfloat16"


def test_another_head_trained_in_place_is_the_one_that_is_written(tmp_path: Path, folder: Path) -> None:
    def change(tensors: dict[str, Array]) -> None:
        for name in [name for name in tensors if name.startswith("cls.")]:
            del tensors[name]
        tensors["classifier.weight"], tensors["classifier.bias"] = np.ones((4, 8), "f4"), np.zeros(4, "f4")

    rewrite(folder, change)
    edit(folder, architectures=["BertForSequenceClassification"], id2label={str(i): "x" for i in range(4)})
    proof = back(folder, tmp_path / "out")
    assert (proof.head, proof.labels) == ("classifier", 4)
    assert "9 tensors changed since conversion" in proof.notes["origin"]
    assert read_source(tmp_path / "out")["output_weights"].shape == (4, 8)
    assert convert_checkpoint(str(tmp_path / "out"), tmp_path / "again").head == "classifier"


@pytest.mark.parametrize("head", sorted(CLASSES))
def test_a_directory_by_others_is_written_and_told_apart(tmp_path: Path, head: str) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", head, labels=2)), tmp_path / "hf")
    (tmp_path / "hf" / "conversion.json").unlink()
    proof = back(tmp_path / "hf", tmp_path / "out")
    assert same(read_source(tmp_path / "out"), arrays(head, labels=2))
    assert proof.notes["origin"] == FOREIGN
    assert proof.head == head
    raw = json.loads((tmp_path / "out" / "bert_config.json").read_text())
    assert {key: raw[key] for key in CONFIG} == CONFIG
    verify(tmp_path / "out", source=tmp_path / "hf")
    again = convert_checkpoint(str(tmp_path / "out"), tmp_path / "again", choices=Choices(activation="erf"))
    assert [line.target_sha256 for line in again.tensors] == [
        line.target_sha256 for line in convert_checkpoint(str(tmp_path / "source"), tmp_path / "hf2").tensors
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_names_of_its_own_return_as_the_published_ones_and_it_says_so(tmp_path: Path, dtype: str) -> None:
    held = arrays(dtype=dtype)
    rename = {name.replace("bert/", "mine/bert/", 1): name for name in held if name.startswith("bert/")}
    mine = {old: held[name] for old, name in rename.items()} | {k: held[k] for k in held if k not in rename.values()}
    source = write_source(tmp_path / "source", tensors=mine)
    convert_checkpoint(str(source), tmp_path / "hf", choices=Choices(family="bert", rename=rename))
    proof = back(tmp_path / "hf", tmp_path / "out")
    assert proof.notes["origin"] == "bit-identical to the checkpoint that was converted, under the published names"
    assert same(read_source(tmp_path / "out"), held)


def test_other_kinds_are_not_made_of_what_is_no_number(tmp_path: Path, foreign: Path) -> None:
    pytest.importorskip("onnx", reason='pip install "parity[onnx]"')
    rewrite(foreign, lambda tensors: tensors["bert.pooler.dense.bias"].__setitem__(2, np.inf))
    assert "bert.pooler.dense.bias holds NaN or infinite values" in refused(foreign, tmp_path / "out", to="onnx")


def test_classes_are_as_many_as_the_classifier_has(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", "classifier", labels=3)), tmp_path / "hf")
    (tmp_path / "hf" / "conversion.json").unlink()
    edit(tmp_path / "hf", id2label={"0": "no"})
    assert "id2label does not fit the classifier beside it (got 1, expected 3)" in refused(
        tmp_path / "hf", tmp_path / "out"
    )


def test_two_classes_need_no_names(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", "classifier", labels=2)), tmp_path / "hf")
    (tmp_path / "hf" / "conversion.json").unlink()
    path = tmp_path / "hf" / "config.json"
    raw = {key: value for key, value in json.loads(path.read_text()).items() if "2" not in key}
    path.write_text(json.dumps(raw))
    assert back(tmp_path / "hf", tmp_path / "out").labels == 2


def test_half_weights_by_others_are_widened_as_the_original_declares_them(tmp_path: Path, foreign: Path) -> None:
    rewrite(foreign, lambda tensors: tensors.update({k: v.astype(np.float16) for k, v in tensors.items()}))
    back(foreign, tmp_path / "out")
    expected = {name: array.astype(np.float16).astype(np.float32) for name, array in arrays().items()}
    assert same(read_source(tmp_path / "out"), expected)


def test_what_a_class_does_not_have_is_left_out_and_said(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", "qa")), tmp_path / "hf")
    (tmp_path / "hf" / "conversion.json").unlink()

    def change(tensors: dict[str, Array]) -> None:
        del tensors["bert.pooler.dense.weight"], tensors["bert.pooler.dense.bias"]

    rewrite(tmp_path / "hf", change)
    proof = back(tmp_path / "hf", tmp_path / "out")
    assert proof.notes["absent"] == ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
    assert read_source(tmp_path / "out").keys() == arrays("qa").keys() - {
        "bert/pooler/dense/kernel",
        "bert/pooler/dense/bias",
    }


def test_tied_tensors_may_stand_twice_if_they_are_the_same(tmp_path: Path, foreign: Path) -> None:
    name, words = "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"
    rewrite(foreign, lambda tensors: tensors.update({name: tensors[words]}))
    proof = back(foreign, tmp_path / "out")
    assert [(entry.source, entry.reason) for entry in proof.dropped] == [(name, f"the same as {words}")]
    assert same(read_source(tmp_path / "out"), arrays())
    verify(tmp_path / "out", source=foreign)
    rewrite(foreign, lambda tensors: tensors[name].__setitem__((0, 0), 9.0))
    assert f"{name} is not {words}" in refused(foreign, tmp_path / "out2")


def test_position_numbers_are_no_weights(tmp_path: Path, foreign: Path) -> None:
    rewrite(foreign, lambda t: t.update({"bert.embeddings.position_ids": np.arange(16, dtype=np.int64)[None]}))
    proof = back(foreign, tmp_path / "out")
    assert [entry.source for entry in proof.dropped] == ["bert.embeddings.position_ids"]


def refused(folder: Path, out: Path, **options: Any) -> str:
    before = tree(out.parent)
    with pytest.raises(ParityError) as caught:
        convert_checkpoint(str(folder), out, **{"to": "tensorflow", **options})
    assert caught.value.exit_code == 2
    assert tree(out.parent) == before
    assert "; " in str(caught.value).splitlines()[-1], f"no remedy: {caught.value}"
    return str(caught.value)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no vocabulary": (
        lambda folder: [(folder / name).unlink() for name in ("vocab.txt", "tokenizer.json")],
        "no vocab.txt",
    ),
    "a tensor gone": (
        lambda folder: rewrite(folder, lambda t: t.pop("bert.pooler.dense.bias")),
        "missing variable bert.pooler.dense.bias",
    ),
    "a tensor too many": (
        lambda folder: rewrite(folder, lambda t: t.update({"bert.adapter.weight": np.ones(3, "f4")})),
        "unknown variable bert.adapter.weight",
    ),
    "no number": (
        lambda folder: rewrite(folder, lambda t: t["bert.pooler.dense.bias"].__setitem__(2, np.nan)),
        "1 of 8 values of bert.pooler.dense.bias are NaN",
    ),
    "whole numbers": (
        lambda folder: rewrite(folder, lambda t: t.update({"bert.pooler.dense.bias": np.ones(8, np.int8)})),
        "bert.pooler.dense.bias is no floating point tensor",
    ),
    "another class": (lambda folder: edit(folder, architectures=["BertForPatches"]), "unknown class"),
    "no class": (lambda folder: edit(folder, architectures=[]), "unknown class"),
    "another family": (
        lambda folder: edit(folder, model_type="roberta"),
        "that this house does not have (got roberta",
    ),
    "a decoder": (lambda folder: edit(folder, is_decoder=True), "is_decoder: only an encoder is BERT"),
    "other sizes": (lambda folder: edit(folder, vocab_size=60), "vocab_size does not fit"),
    "layers beyond reason": (lambda folder: edit(folder, num_hidden_layers=1 << 30), "num_hidden_layers does not fit"),
    "a layer less": (lambda folder: edit(folder, num_hidden_layers=1), "unknown variable bert.encoder.layer.1."),
    "an unknown activation": (lambda folder: edit(folder, hidden_act="silu"), "hidden_act is none the original knows"),
    "weights cut off": (
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-5]),
        "model.safetensors: not a readable safetensors file",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, foreign: Path, damage: str) -> None:
    change, says = DAMAGES[damage]
    change(foreign)
    assert says in refused(foreign, tmp_path / "out")


def test_a_directory_whose_proof_is_of_another_model_is_refused(tmp_path: Path, folder: Path) -> None:
    rewrite(
        folder,
        lambda tensors: tensors.update(
            {
                "bert.embeddings.word_embeddings.weight": np.zeros((70, 8), "f4"),
                "cls.predictions.bias": np.zeros(70, "f4"),
            }
        ),
    )
    edit(folder, vocab_size=70)
    message = refused(folder, tmp_path / "out")
    assert "vocab_size does not fit bert/embeddings/word_embeddings (got 59, expected 70)" in message
    assert "delete conversion.json" in message


def test_other_kinds_are_not_made_under_a_proof_of_other_weights(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["parity.artifacts.convert"], "find_spec", lambda name: True)
    rewrite(folder, lambda tensors: tensors["bert.pooler.dense.bias"].__setitem__(0, 9.0))
    message = refused(folder, tmp_path / "out", to="openvino")
    assert "conversion.json describes other weights: 1 tensors changed since, bert.pooler.dense.bias" in message
    assert "delete conversion.json" in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"to": "pytorch"}, "Hugging Face directory already"),
        ({"choices": Choices(head="nsp")}, "leaves nothing to decide"),
    ],
)
def test_a_directory_leaves_nothing_to_decide(tmp_path: Path, folder: Path, options: Any, says: str) -> None:
    assert says in refused(folder, tmp_path / "out", **options)


def test_a_directory_is_not_replaced_by_what_is_made_of_it(folder: Path) -> None:
    assert "OUT holds the source itself" in refused(folder, folder, force=True)
    assert is_hf_folder(folder)


@pytest.mark.parametrize("content", ["", "[]", '"architectures"', "3", "null", "[" * 100_000, '{"a": 1}'])
def test_what_is_no_directory_of_transformers_is_not_taken_for_one(folder: Path, content: str) -> None:
    assert is_hf_folder(folder)
    (folder / "config.json").write_text(content)
    assert not is_hf_folder(folder)


def test_a_directory_needs_both_files(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        copy = Path(shutil.copytree(folder, tmp_path / name))
        (copy / name).unlink()
        assert not is_hf_folder(copy)
        with pytest.raises(ParityError, match=name):
            read_hf_folder(copy)


def test_what_a_directory_says_is_read(folder: Path) -> None:
    hf = read_hf_folder(folder)
    assert (hf.family.name, hf.head.name, hf.labels) == ("bert", "pretraining", 0)
    assert hf.config.vocab_size == len(VOCAB)
    assert hf.config.activation == "gelu_erf"
    assert hf.changed() == []
    assert hf.as_proof() == read_proof(folder)


def test_without_a_proof_every_tensor_is_its_own_source(foreign: Path) -> None:
    hf = read_hf_folder(foreign)
    proof = hf.as_proof()
    assert [line.source for line in proof.tensors] == [line.target for line in proof.tensors] == list(hf.specs)
    assert all(line.source_sha256 == line.target_sha256 != "" for line in proof.tensors)
    assert all(hf.holds(line) for line in proof.tensors)
    assert hf.changed() == []


@pytest.mark.parametrize(("written", "computed"), [("gelu", "gelu_erf"), ("gelu_new", "gelu_tanh"), ("relu", "relu")])
def test_activations_mean_what_transformers_means(foreign: Path, written: str, computed: str) -> None:
    edit(foreign, hidden_act=written)
    assert read_hf_folder(foreign).config.activation == computed
