"""bert_config.json: what is read, what is refused, and the config.json that says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bert_names import ALIKE_CLASSES, CLASSES
from small_bert import CONFIG, ERF, arrays

from parity.errors import ParityError
from parity.families import family

BERT = family("bert")
HERE = Path("some/bert_config.json")
SIZES = [
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
]


def refusal(raw: dict[str, Any], **options: Any) -> str:
    with pytest.raises(ParityError) as caught:
        BERT.read_config(raw, where=HERE, **options)
    assert str(caught.value).startswith(f"{HERE}: ")
    assert "; " in str(caught.value).splitlines()[-1], "no remedy"
    return str(caught.value)


def test_the_published_fields_are_read() -> None:
    raw = json.loads((ERF / "bert_config.json").read_text())
    config = BERT.read_config(raw, where=HERE)
    assert (config.vocab_size, config.hidden_size, config.layers, config.heads) == (601, 64, 3, 4)
    assert (config.intermediate_size, config.positions, config.token_types) == (160, 40, 2)
    assert config.epsilon == 1e-12, "tf.contrib's, which no field can change"
    assert config.raw == raw


@pytest.mark.parametrize("key", SIZES)
def test_a_missing_size_is_named(key: str) -> None:
    message = refusal({name: value for name, value in CONFIG.items() if name != key})
    assert (
        message == f"{HERE}: {key} is missing; take the config that was published with the checkpoint (--config FILE)"
    )


def test_all_that_is_missing_is_named_at_once() -> None:
    message = refusal({})
    assert all(f"  - {key} is missing" in message for key in SIZES)


@pytest.mark.parametrize("value", [0, -1, 1.5, 12.0, "12", None, True, [12], {"a": 1}, 1 << 31])
@pytest.mark.parametrize("key", SIZES)
def test_a_size_is_a_positive_whole_number(key: str, value: object) -> None:
    message = refusal({**CONFIG, key: value})
    assert f"{key} is not a positive whole number (got {json.dumps(value)})" in message


def test_what_is_wrong_is_shown_short() -> None:
    for value in ("x" * 10_000, [1] * 10_000, 10**300):
        assert len(refusal({**CONFIG, "vocab_size": value})) < 300


def test_hidden_size_is_a_multiple_of_heads() -> None:
    message = refusal({**CONFIG, "num_attention_heads": 3})
    assert "hidden_size is no multiple of num_attention_heads (got 8 and 3)" in message


@pytest.mark.parametrize("key", ["hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"])
@pytest.mark.parametrize("value", ["0.1", None, -0.1, 1.5, True, float("nan"), [0.1]])
def test_rates_that_go_into_the_target_are_numbers(key: str, value: object) -> None:
    assert f"{key} is not a number from 0 to 1 (got {json.dumps(value)})" in refusal({**CONFIG, key: value})


@pytest.mark.parametrize("value", [0, 1, -1e-12, "1e-12", None, float("nan"), True])
def test_epsilon_is_a_small_number(value: object) -> None:
    assert "layer_norm_eps is not a number between 0 and 1" in refusal({**CONFIG, "layer_norm_eps": value})


def test_only_absolute_positions_are_bert() -> None:
    assert "relative_key" in refusal({**CONFIG, "position_embedding_type": "relative_key"})


@pytest.mark.parametrize(
    ("name", "option", "computed", "written"),
    [
        ("gelu", None, "gelu_erf", "gelu"),
        ("gelu", "erf", "gelu_erf", "gelu"),
        ("gelu", "tanh", "gelu_tanh", "gelu_new"),
        ("gelu_new", None, "gelu_tanh", "gelu_new"),
        ("gelu_new", "tanh", "gelu_tanh", "gelu_new"),
        ("gelu_pytorch_tanh", None, "gelu_tanh", "gelu_new"),
        ("relu", None, "relu", "relu"),
        ("tanh", None, "tanh", "tanh"),
        ("linear", None, "linear", "linear"),
    ],
)
def test_activation_by_config_and_option(name: str, option: str | None, computed: str, written: str) -> None:
    config = BERT.read_config({**CONFIG, "hidden_act": name}, where=HERE, activation=option)
    assert config.activation == computed
    assert BERT.target_config(config, BERT.all_heads[0], labels=0, special={})["hidden_act"] == written


def test_without_a_word_gelu_is_meant() -> None:
    raw = {key: value for key, value in CONFIG.items() if key != "hidden_act"}
    assert BERT.read_config(raw, where=HERE).activation == "gelu_erf"


@pytest.mark.parametrize("name", ["swish", "", None, 3, ["gelu"], "gelu_fast"])
def test_an_activation_the_original_does_not_know_is_refused(name: object) -> None:
    message = refusal({**CONFIG, "hidden_act": name})
    assert f"hidden_act is none the original knows (got {json.dumps(name)}, expected gelu, " in message


@pytest.mark.parametrize(("name", "option"), [("gelu_new", "erf"), ("relu", "tanh"), ("linear", "erf")])
def test_an_option_that_contradicts_the_config_is_refused(name: str, option: str) -> None:
    message = refusal({**CONFIG, "hidden_act": name}, activation=option)
    assert f"--activation {option} contradicts hidden_act (got {json.dumps(name)})" in message


def test_an_unknown_option_is_refused() -> None:
    assert "unknown activation (got sigmoid, expected erf or tanh); choose one" in refusal(CONFIG, activation="sigmoid")


@pytest.mark.parametrize("head", BERT.all_heads, ids=lambda head: head.name)
def test_the_target_config_says_the_same(head: Any) -> None:
    raw = {**CONFIG, "hidden_dropout_prob": 0.3, "layer_norm_eps": 1e-6}
    config = BERT.read_config(raw, where=HERE)
    written = BERT.target_config(config, head, labels=0, special={"[PAD]": 7})
    assert written["architectures"] == [(CLASSES | ALIKE_CLASSES)[head.name]]
    assert {key: written[key] for key in SIZES} == {key: raw[key] for key in SIZES}
    assert (written["hidden_dropout_prob"], written["layer_norm_eps"]) == (0.3, 1e-6)
    assert (written["model_type"], written["pad_token_id"]) == ("bert", 7)
    assert "id2label" not in written


def test_labels_are_written_for_a_classifier() -> None:
    config = BERT.read_config(CONFIG, where=HERE)
    written = BERT.target_config(config, BERT.all_heads[1], labels=3, special={})
    assert written["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert written["label2id"] == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}


def test_a_config_that_fits_has_no_misfits() -> None:
    shapes = {name: array.shape for name, array in arrays().items()}
    assert BERT.misfits(BERT.read_config(CONFIG, where=HERE), shapes) == []


@pytest.mark.parametrize("layers", [1, 3])
def test_layers_fewer_or_more_than_the_checkpoints_are_a_misfit(layers: int) -> None:
    shapes = {name: array.shape for name, array in arrays().items()}
    config = BERT.read_config({**CONFIG, "num_hidden_layers": layers}, where=HERE)
    assert BERT.misfits(config, shapes) == [("num_hidden_layers", layers, 2, "bert/encoder/layer_*")]


@pytest.mark.parametrize("key", [key for key in SIZES if key not in ("num_hidden_layers", "num_attention_heads")])
def test_each_size_that_the_tensors_contradict_is_named_with_both_numbers(key: str) -> None:
    shapes = {name: array.shape for name, array in arrays().items()}
    config = BERT.read_config({**CONFIG, key: 2 * CONFIG[key]}, where=HERE)
    assert [found[:3] for found in BERT.misfits(config, shapes)] == [(key, 2 * CONFIG[key], CONFIG[key])]


def test_tensors_without_axes_are_no_crash() -> None:
    config = BERT.read_config(CONFIG, where=HERE)
    assert [found[0] for found in BERT.misfits(config, {"bert/embeddings/word_embeddings": ()})] == [
        "num_hidden_layers"
    ]


def test_keys_that_the_original_never_reads_are_told() -> None:
    raw = {**CONFIG, "directionality": "bidi", "pooler_type": "first_token_transform"}
    assert BERT.unread_keys(raw) == ["directionality", "pooler_type"]
    assert BERT.unread_keys(CONFIG) == []
