"""GPT's numbers: off the tensors, from train.py's options, from transformers; what no tensor tells is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from small_gpt import OPTIONS, arrays

from parity.errors import ParityError
from parity.families.openai_gpt import FAMILY as GPT
from parity.families.openai_gpt.config import GptConfig
from parity.families.openai_gpt.heads import CHOICE, LM

SHAPES = {name: array.shape for name, array in arrays().items()}
TRAINED = {**{k: s for k, s in SHAPES.items() if k not in ("tokens", "positions")}, "model/we": (52, 8)}


def read(raw: dict[str, Any], **more: Any) -> GptConfig:
    return GPT.read_config(raw, where=Path("config.json"), **more)


def test_shapes_tell_everything_but_the_heads() -> None:
    assert GPT.infer(SHAPES) == {"n_vocab": 37, "n_ctx": 12, "n_embd": 8, "n_layer": 2}
    with pytest.raises(ParityError, match=r"n_head is missing, which no tensor tells; .*--set n_head=N"):
        read(GPT.infer(SHAPES))
    found = read({**GPT.infer(SHAPES), "n_head": 2})
    assert found == GptConfig(
        37, 8, 2, 2, 32, 12, 0, "gelu_tanh", 1e-5, {**GPT.infer(SHAPES), "n_head": 2}, special=0, rows=None
    )
    assert found.classify is None


def test_at_the_published_width_the_published_heads_are_taken_and_it_is_said() -> None:
    shape = {"n_vocab": 40478, "n_ctx": 512, "n_embd": 768, "n_layer": 12}
    assert read(shape).heads == 12
    assert any("n_head taken as 12" in note for note in GPT.notes(read(shape), LM))
    assert not any("n_head" in note for note in GPT.notes(read({**shape, "n_head": 16}), LM))


@pytest.mark.parametrize("known", [{"n_vocab": 37}, {"n_ctx": 12}, {"n_vocab": 37, "n_ctx": 12}, {"vocab_size": 40}])
def test_of_the_trained_table_one_number_tells_the_rest(known: dict[str, int]) -> None:
    assert GPT.infer(TRAINED) == {"n_embd": 8, "n_layer": 2, "n_rows": 52}
    found = read({**GPT.infer(TRAINED), "n_head": 2, **known})
    assert (found.vocab_size, found.special, found.positions, found.rows, found.classify) == (40, 3, 12, 52, 39)
    assert any("37 tokens, 3 special tokens, 12 positions" in note for note in GPT.notes(found, CHOICE))


def test_of_the_trained_table_nothing_is_guessed() -> None:
    with pytest.raises(ParityError) as caught:
        read(GPT.infer(TRAINED))
    assert "--set n_vocab=N" in str(caught.value)
    assert "n_head is missing" in str(caught.value)
    with pytest.raises(ParityError, match=r"another number of rows .*52 in all"):
        read({**GPT.infer(TRAINED), "n_head": 2, "n_vocab": 37, "n_ctx": 512})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_head": 3}, "n_embd is no multiple of n_head"),
        ({"n_head": True}, "n_head is not a positive whole number"),
        ({"n_ctx": 0}, "n_ctx is not a positive whole number"),
        ({"n_layer": "2"}, "n_layer is not a positive whole number"),
        ({"n_special": 2}, "n_special is none that train.py makes"),
        ({"afn": "gelu_erf"}, "unknown afn"),
        ({"layer_norm_epsilon": 2.0}, "layer_norm_epsilon"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ParityError, match=re.escape(words)):
        read({**OPTIONS, **change})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ParityError) as caught:
        read({"afn": "elu"})
    for key in ("n_vocab", "n_ctx", "n_embd", "n_layer", "n_head", "afn"):
        assert key in str(caught.value)


def test_gelu_is_the_tanh_formula_whoever_writes_it() -> None:
    assert read(OPTIONS).activation == read({**OPTIONS, "afn": "gelu"}).activation == "gelu_tanh"
    assert read({**OPTIONS, "afn": "swish"}).activation == "swish"
    assert read(OPTIONS, activation="tanh").activation == "gelu_tanh"
    with pytest.raises(ParityError, match="--activation erf contradicts"):
        read(OPTIONS, activation="erf")


@pytest.mark.parametrize("more", [{}, {"n_rows": 52}, {"afn": "relu", "n_special": 3}])
def test_what_is_written_for_the_target_reads_back_as_the_same_model(more: dict[str, Any]) -> None:
    before = read({**OPTIONS, **more})
    written = GPT.target_config(before, CHOICE, labels=0, special={})
    after = read(written)
    for field in ("vocab_size", "positions", "hidden_size", "heads", "layers", "activation", "epsilon", "special"):
        assert getattr(after, field) == getattr(before, field), field
    assert after.rows is None
    assert GPT.unread_keys(written) == []
    assert read({**GPT.source_config(after), "n_special": after.special}).vocab_size == before.vocab_size


def test_transformers_reads_the_same_numbers() -> None:
    transformers = pytest.importorskip("transformers")
    written = GPT.target_config(read({**OPTIONS, "n_special": 3}), CHOICE, labels=0, special={})
    theirs = transformers.OpenAIGPTConfig(**written)
    assert (theirs.hidden_size, theirs.num_attention_heads, theirs.num_hidden_layers) == (8, 2, 2)
    assert (theirs.max_position_embeddings, theirs.vocab_size, theirs.layer_norm_epsilon) == (12, 37, 1e-5)
    assert (theirs.summary_type, theirs.summary_activation, theirs.n_special) == ("cls_index", None, 3)


def test_sizes_that_the_tensors_contradict_are_named() -> None:
    found = GPT.misfits(read({**OPTIONS, "n_vocab": 38, "n_ctx": 13, "n_layer": 3}), SHAPES)
    assert found == [("n_vocab", 38, 37, "tokens"), ("n_ctx", 13, 12, "positions"), ("n_layer", 3, 2, "model/h*")]
    assert GPT.misfits(read(OPTIONS), SHAPES) == []


def test_options_that_only_steer_training_are_named() -> None:
    assert GPT.unread_keys({**OPTIONS, "lr": 1e-4, "seed": 42}) == ["lr", "seed"]
