"""converter_config.json as its documentation describes it, with the documentation's own mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import PREFIX, arrays, write_source

from parity.artifacts import Choices, Proof, convert_checkpoint
from parity.artifacts.converter_config import is_converter_config, read_converter_config
from parity.errors import ParityError
from parity.tensorfile import Array, map_tensors

SQUAD = {"cls/squad/output_weights": "qa_outputs.weight", "cls/squad/output_bias": "qa_outputs.bias"}
ROOT = {"output_weights": "classifier.weight", "output_bias": "classifier.bias"}


def write(folder: Path, text: str | dict[str, Any]) -> Path:
    path = folder / "converter_config.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def told(source: Path, name: str, mappings: dict[str, str] | None = None, **more: Any) -> Path:
    found = {"bert_config_path": str(source / "bert_config.json"), "bert_model_class": name, **more}
    return write(source, found if mappings is None else found | {"tf_torch_mappings": mappings})


def convert(source: Path, path: Path, **choices: Any) -> Proof:
    out = source.parent / "out"
    return convert_checkpoint(str(source / PREFIX), out, converter_config=path, choices=Choices(**choices))


def refused(source: Path, path: Path, **choices: Any) -> str:
    with pytest.raises(ParityError) as caught:
        convert(source, path, **choices)
    assert not (source.parent / "out").exists()
    return str(caught.value)


def written(source: Path) -> dict[str, Array]:
    return dict(map_tensors(source.parent / "out" / "model.safetensors"))


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source", "qa")


@pytest.fixture
def fine_tuned(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source", "classifier", labels=2)


def test_the_sample_for_squad_as_it_circulates(squad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERT_BASE_DIR", str(squad))
    sample = """{
   "bert_config_path":"$BERT_BASE_DIR/bert_config.json",
   "bert_model_class":"BertForQuestionAnswering",
   "tf_torch_mappings":{
      "tf_output_layer_name":"qa_output"
   }
}"""
    proof = convert(squad, write(tmp_path, sample))
    assert proof.head == "qa"
    said = "\n".join(proof.assumptions)
    assert "BertForQuestionAnswering has no qa_output; it has qa_outputs, which is taken" in said
    assert (
        "tf_output_layer_name is the sample's placeholder; qa_outputs is filled from cls/squad/output_weights" in said
    )
    np.testing.assert_array_equal(written(squad)["qa_outputs.weight"], arrays("qa")["cls/squad/output_weights"])
    np.testing.assert_array_equal(written(squad)["qa_outputs.bias"], arrays("qa")["cls/squad/output_bias"])


def test_the_sample_for_tokens_with_its_comma_too_many(
    fine_tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BERT_BASE_DIR", str(fine_tuned))
    sample = """{
   "bert_config_path":"${BERT_BASE_DIR}/bert_config.json",
   "bert_model_class":"BertForTokenClassification",
   "tf_torch_mappings":{
      "tf_output_layer_name":"classifier"
   },
   "args":{
      "num_labels":2,
   }
}"""
    proof = convert(fine_tuned, write(tmp_path, sample))
    assert (proof.head, proof.labels) == ("token-classifier", 2)
    assert "converter_config.json has a comma that nothing follows: overlooked" in proof.assumptions
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert len(config["id2label"]) == 2


@pytest.mark.parametrize(
    "mappings",
    [
        {"cls/squad/output_weights": "qa_output.weight", "cls/squad/output_bias": "qa_output.bias"},
        {"cls/squad/output_weights": "qa_output", "cls/squad/output_bias": "qa_output"},
        {"cls/squad": "qa_output"},
        {"squad": "qa_output"},
    ],
)
def test_a_name_that_the_class_nearly_has_is_told_and_mended(squad: Path, mappings: dict[str, str]) -> None:
    proof = convert(squad, told(squad, "BertForQuestionAnswering", mappings))
    assert any("has no qa_output" in line and "it has qa_outputs" in line for line in proof.assumptions)
    np.testing.assert_array_equal(written(squad)["qa_outputs.weight"], arrays("qa")["cls/squad/output_weights"])


@pytest.mark.parametrize("mappings", [SQUAD, None, {"output_weights": "qa_outputs.weight"}])
def test_right_names_need_no_word(squad: Path, mappings: dict[str, str] | None) -> None:
    proof = convert(squad, told(squad, "BertForQuestionAnswering", mappings))
    assert not [line for line in proof.assumptions if "qa_output" in line]


def test_variables_of_any_name_fill_what_they_are_mapped_to(tmp_path: Path) -> None:
    def change(held: dict[str, Array]) -> None:
        held["crf/project/w_out/output_weights"] = held.pop("output_weights")
        held["crf/project/w_out/output_bias"] = held.pop("output_bias")
        held["crf/project/w_out/output_bias/adam_m"] = np.zeros(3, np.float32)

    source = write_source(tmp_path / "source", "classifier", change=change)
    proof = convert(source, told(source, "BertForTokenClassification", {"crf/project/w_out": "classifier"}))
    lines = {line.target: line.source for line in proof.tensors}
    assert lines["classifier.weight"] == "crf/project/w_out/output_weights"
    assert lines["classifier.bias"] == "crf/project/w_out/output_bias"
    np.testing.assert_array_equal(written(source)["classifier.weight"], arrays("classifier")["output_weights"])
    assert proof.labels == 3
    assert "converter_config.json gives no num_labels; crf/project/w_out/output_weights has 3 rows" in proof.assumptions


CLASSES = {
    "BertForPreTraining": "pretraining",
    "BertForMaskedLM": "mlm",
    "BertLMHeadModel": "lm",
    "BertForNextSentencePrediction": "nsp",
    "BertModel": "none",
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_the_pretrained_checkpoint_fills(name: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    proof = convert(source, told(source, name))
    assert proof.head == CLASSES[name]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architectures"] == [name]
    assert any("without is_decoder" in line for line in proof.assumptions) == (name == "BertLMHeadModel")


def test_multiple_choice(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", "classifier", labels=1)
    proof = convert(source, told(source, "BertForMultipleChoice", ROOT, args={"num_choices": 4}))
    assert proof.head == "multiple-choice"
    assert "args.num_choices decides no parameter: without effect" in proof.assumptions


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("BertForTokenClassification", "classifier.weight"),
        ("BertForSequenceClassification", "classifier.bias"),
        ("BertForQuestionAnswering", "qa_outputs.weight"),
    ],
)
def test_a_parameter_that_nothing_fills_is_named_and_not_made_up(name: str, parameter: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    message = refused(source, told(source, name))
    assert f"no variable of the checkpoint fills {parameter} of {name}" in message


def test_the_config_option_may_name_it(squad: Path) -> None:
    path = told(squad, "BertForQuestionAnswering", SQUAD)
    assert is_converter_config(path)
    assert not is_converter_config(squad / "bert_config.json")
    assert not is_converter_config(squad / "vocab.txt")
    assert convert_checkpoint(str(squad), squad.parent / "out", config=path).head == "qa"


def test_what_is_decided_by_hand_wins_or_must_agree(squad: Path) -> None:
    path = told(squad, "BertForQuestionAnswering", {"cls/squad/output_weights": "qa_outputs.weight"})
    assert "asks for BertForQuestionAnswering (got --head none)" in refused(squad, path, head="none")
    assert "is for BERT (got --family gpt2)" in refused(squad, path, family="gpt2")
    with pytest.raises(ParityError, match="leave --config out"):
        convert_checkpoint(str(squad), squad.parent / "out", config=squad / "bert_config.json", converter_config=path)
    assert convert(squad, path, head="qa", activation="tanh").activation == "gelu_tanh"


def test_a_kernel_is_not_taken_for_output_weights(tmp_path: Path) -> None:
    def change(held: dict[str, Array]) -> None:
        held["loss/kernel"] = held.pop("output_weights").T.copy()

    source = write_source(tmp_path / "source", "classifier", change=change)
    message = refused(source, told(source, "BertForTokenClassification", {"loss/kernel": "classifier.weight"}))
    assert "loss/kernel cannot stand for output_weights (got a kernel, stored [in, out])" in message


@pytest.mark.parametrize(
    ("mappings", "part"),
    [
        ({"output_weight": "classifier.weight"}, "holds no output_weight; nearest: output_weights"),
        ({"output_weights": "qa_outputs.weight"}, "has no parameter qa_outputs.weight (expected classifier)"),
    ],
)
def test_mappings_that_mean_nothing_are_refused(fine_tuned: Path, mappings: dict[str, str], part: str) -> None:
    assert part in refused(fine_tuned, told(fine_tuned, "BertForTokenClassification", mappings))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"bert_model_class": "BertForTokenClasification"}, "did you mean BertForTokenClassification?"),
        ({"bert_model_klass": "x"}, "unknown key bert_model_klass; did you mean bert_model_class?"),
        ({"args": {"num_label": 2}}, "unknown constructor argument args.num_label; did you mean num_labels?"),
        ({"args": {"num_labels": "2"}}, "args.num_labels is not a positive whole number (got 2)"),
        ({"args": {"num_labels": 5}}, "args.num_labels does not fit output_weights (got 5, expected 2)"),
        ({"args": []}, "args is no object"),
        ({"tf_torch_mappings": ["a"]}, "tf_torch_mappings is no object of strings"),
        ({"bert_config_path": "$NO_SUCH_DIR/c.json"}, "$NO_SUCH_DIR, which is not set; export NO_SUCH_DIR"),
        ({"bert_config_path": "absent.json"}, "bert_config_path: there is no such file (got absent.json)"),
        ({"bert_config_path": None}, "bert_config_path is no text"),
        ({"bert_model_class": "BertForPreTraining", "args": {"num_labels": 2}}, "takes no num_labels"),
    ],
)
def test_what_the_file_says_wrong_is_named(fine_tuned: Path, change: dict[str, Any], part: str) -> None:
    assert part in refused(fine_tuned, told(fine_tuned, **({"name": "BertForTokenClassification"} | change)))


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": }', "\x00"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ParityError, match="converter config is not"):
        read_converter_config(write(tmp_path, text))
    with pytest.raises(ParityError, match="cannot read"):
        read_converter_config(tmp_path / "absent.json")


def test_commas_inside_strings_stay(tmp_path: Path, squad: Path) -> None:
    folder = tmp_path / "a,]b, }"
    folder.mkdir()
    (squad / "bert_config.json").rename(folder / "bert_config.json")
    named = {"bert_config_path": str(folder / "bert_config.json"), "bert_model_class": "BertForQuestionAnswering"}
    read = read_converter_config(write(squad, named))
    assert (read.config, read.said) == (folder / "bert_config.json", ())
