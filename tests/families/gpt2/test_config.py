"""hparams.json and transformers' config.json: what is read, what is refused, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_gpt2 import CONFIG, shapes

from parity.errors import ParityError
from parity.families.gpt2 import FAMILY as GPT2
from parity.families.gpt2.heads import LM, NONE
from parity.families.values import Config

WHERE = Path("hparams.json")
XL = {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 1600, "n_head": 25, "n_layer": 48}
TARGET: dict[str, Any] = {
    "model_type": "gpt2",
    "vocab_size": 300,
    "n_positions": 12,
    "n_embd": 8,
    "n_head": 2,
    "n_layer": 2,
}


def read(raw: dict[str, Any], *, activation: str | None = None) -> Config:
    return GPT2.read_config(raw, where=WHERE, activation=activation)


def test_the_published_sizes_are_read() -> None:
    config = read(XL)
    assert (config.vocab_size, config.positions, config.hidden_size, config.heads, config.layers) == (
        50257,
        1024,
        1600,
        25,
        48,
    )
    assert (config.intermediate_size, config.token_types) == (6400, 0)
    assert (config.activation, config.epsilon) == ("gelu_tanh", 1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_vocab": None}, "n_vocab is missing"),
        ({"n_head": 3}, "n_embd is no multiple of n_head"),
        ({"n_ctx": 0}, "n_ctx is not a positive whole number"),
        ({"n_layer": True}, "n_layer is not a positive whole number"),
        ({"n_embd": 8.0}, "n_embd is not a positive whole number"),
        ({"n_embd": 1 << 40}, "n_embd is not a positive whole number"),
        ({"n_layer": "2"}, "n_layer is not a positive whole number"),
    ],
)
def test_another_hparams_is_refused(change: dict[str, Any], told: str) -> None:
    raw = {key: value for key, value in (CONFIG | change).items() if value is not None}
    with pytest.raises(ParityError, match=told):
        read(raw)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ParityError, match="5 problems"):
        read({})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_positions": None}, "n_positions is missing"),
        ({"activation_function": "swish"}, "unknown activation_function"),
        ({"activation_function": ["gelu"]}, "unknown activation_function"),
        ({"layer_norm_epsilon": 1}, "layer_norm_epsilon"),
        ({"scale_attn_weights": False}, "scale_attn_weights is not as in the original"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is not as in the original"),
        ({"add_cross_attention": True}, "add_cross_attention is not as in the original"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is not as in the original"),
        ({"n_inner": -1}, "n_inner is not a positive whole number"),
    ],
)
def test_another_model_of_transformers_is_refused(change: dict[str, Any], told: str) -> None:
    raw = {key: value for key, value in (TARGET | change).items() if value is not None}
    with pytest.raises(ParityError, match=told):
        read(raw)


@pytest.mark.parametrize(
    ("name", "computed"),
    [("gelu_new", "gelu_tanh"), ("gelu_pytorch_tanh", "gelu_tanh"), ("gelu", "gelu_erf"), ("relu", "relu")],
)
def test_activations_are_what_transformers_means_by_them(name: str, computed: str) -> None:
    config = read(TARGET | {"activation_function": name, "layer_norm_epsilon": 1e-6, "n_inner": 20})
    assert (config.activation, config.epsilon, config.intermediate_size) == (computed, 1e-6, 20)


def test_the_usual_config_of_transformers_says_what_hparams_says() -> None:
    ours, theirs = read(CONFIG), read(TARGET | {"n_ctx": 12, "n_inner": None})
    for field in ("vocab_size", "positions", "hidden_size", "heads", "layers", "intermediate_size", "activation"):
        assert getattr(ours, field) == getattr(theirs, field)
    assert ours.epsilon == theirs.epsilon


def test_an_activation_by_option_must_be_the_models() -> None:
    assert read(CONFIG, activation="tanh").activation == "gelu_tanh"
    assert read(TARGET | {"activation_function": "gelu"}, activation="erf").activation == "gelu_erf"
    with pytest.raises(ParityError, match="--activation erf contradicts"):
        read(CONFIG, activation="erf")
    with pytest.raises(ParityError, match="unknown activation"):
        read(CONFIG, activation="swish")


def test_the_target_says_every_switch() -> None:
    written = GPT2.target_config(read(CONFIG), LM, labels=0, special={"<|endoftext|>": 299})
    assert written == {
        "activation_function": "gelu_new",
        "add_cross_attention": False,
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 299,
        "embd_pdrop": 0.1,
        "eos_token_id": 299,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-5,
        "model_type": "gpt2",
        "n_ctx": 12,
        "n_embd": 8,
        "n_head": 2,
        "n_inner": None,
        "n_layer": 2,
        "n_positions": 12,
        "reorder_and_upcast_attn": False,
        "resid_pdrop": 0.1,
        "scale_attn_by_inverse_layer_idx": False,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": 300,
    }
    assert GPT2.target_config(read(CONFIG), NONE, labels=0, special={})["architectures"] == ["GPT2Model"]


@pytest.mark.parametrize("raw", [CONFIG, TARGET | {"activation_function": "gelu", "n_inner": 20}])
def test_what_is_written_reads_as_what_was_read(raw: dict[str, Any]) -> None:
    config = read(raw)
    again = read(GPT2.target_config(config, LM, labels=0, special={}))
    assert {**vars(config), "raw": None} == {**vars(again), "raw": None}


def test_the_way_back() -> None:
    assert GPT2.source_config(read(TARGET)) == CONFIG
    with pytest.raises(ParityError, match="3 problems") as refused:
        GPT2.source_config(read(TARGET | {"activation_function": "gelu", "n_inner": 20, "layer_norm_epsilon": 1e-6}))
    assert all(field in str(refused.value) for field in ("activation", "epsilon", "intermediate_size"))


def test_a_config_of_another_size_is_found_out() -> None:
    assert GPT2.misfits(read(CONFIG), shapes()) == []
    other = read(CONFIG | {"n_vocab": 400, "n_embd": 10, "n_ctx": 16, "n_layer": 1})
    assert {(key, said, held) for key, said, held, _ in GPT2.misfits(other, shapes())} == {
        ("n_vocab", 400, 300),
        ("n_embd", 10, 8),
        ("n_ctx", 16, 12),
        ("n_layer", 1, 2),
    }


def test_tensors_tell_all_but_the_heads() -> None:
    assert GPT2.infer is not None
    found = GPT2.infer(shapes())
    assert found == {key: value for key, value in CONFIG.items() if key != "n_head"}
    with pytest.raises(ParityError, match="n_head is missing"):
        read(found)
    assert GPT2.infer({}) == {}


def test_keys_without_effect_are_told() -> None:
    assert GPT2.unread_keys(CONFIG | {"dropout": 0.1}) == ["dropout"]
    assert GPT2.unread_keys(TARGET | {"summary_type": "mean"}) == []
