"""The GPT-2 graph against transformers' own classes: heads, activations, scales, lengths, pasts, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_runs import KINDS, assert_close, export, hf_model, opened, saved

from parity.errors import ParityError

HEADS, WIDTH, LAYERS, LONGEST, VOCABULARY = 4, 20, 3, 16, 53
STATES = [f"{k}.{part}" for k in range(LAYERS) for part in ("key", "value")]


def model(target_class: str = "GPT2LMHeadModel", **config: Any) -> Any:
    from transformers import GPT2Config

    given = {
        "vocab_size": VOCABULARY,
        "n_embd": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_positions": LONGEST,
        "bos_token_id": 0,
        "eos_token_id": 0,
        **config,
    }
    return hf_model(target_class, GPT2Config(**given))


def empty(rows: int) -> dict[str, np.ndarray]:
    return {f"past.{state}": np.zeros((rows, HEADS, 0, WIDTH // HEADS), np.float32) for state in STATES}


def ids(rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(rows + 10 * length).integers(0, VOCABULARY, (rows, length))


def expected(model: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What PyTorch answers to whole rows, by the names of the graph's values."""
    import torch

    with torch.inference_mode():
        answer = model(torch.from_numpy(inputs), output_hidden_states=True, use_cache=True)
    states = answer.hidden_states
    found = {"embeddings": states[0], "final_norm": states[-1]}
    found |= {f"layer.{k}": states[k + 1] for k in range(LAYERS - 1)}
    for k, pair in enumerate(answer.past_key_values):
        found |= {f"present.{k}.key": pair[0], f"present.{k}.value": pair[1]}
    found["logits" if "logits" in answer else "last_hidden_state"] = answer[0]
    return {name: value.numpy() for name, value in found.items()}


INNER = ("embeddings", "layer.0", "layer.1", "final_norm")


@pytest.fixture(scope="module")
def lm():
    return model()


@pytest.fixture(scope="module")
def runs(lm, tmp_path_factory):
    folder = saved(lm, tmp_path_factory.mktemp("lm"))
    return {kind: opened(kind, export(kind, folder, folder / kind), inner=INNER) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_and_state_is_that_of_pytorch_at_any_size(kind, runs, lm):
    for rows, length in ((3, 7), (1, 1), (2, LONGEST)):
        inputs = ids(rows, length)
        got, wanted = runs[kind]({"input_ids": inputs, **empty(rows)}), expected(lm, inputs)
        assert set(got) == set(wanted)
        for name, value in got.items():
            assert_close(value, wanted[name])


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_a_past_is_as_if_it_had_been_read_at_once(kind, runs, lm):
    inputs = ids(2, LONGEST)
    wanted, pasts, seen = expected(lm, inputs), empty(2), 0
    for length in (5, 1, 7, 3):
        got = runs[kind]({"input_ids": inputs[:, seen : seen + length], **pasts})
        for name, value in got.items():
            axis = 2 if name.startswith("present") else 1
            assert_close(value, np.take(wanted[name], range(seen, seen + length), axis))
        pasts = {f"past.{s}": np.concatenate((pasts[f"past.{s}"], got[f"present.{s}"]), 2) for s in STATES}
        seen += length


@pytest.mark.parametrize(("past", "length"), [(LONGEST - 1, 2), (LONGEST - 1, 5), (LONGEST, 1), (3, LONGEST - 1)])
def test_more_positions_than_the_table_has_are_never_numbers(past, length, runs):
    states = {name: np.zeros((2, HEADS, past, WIDTH // HEADS), np.float32) for name in empty(2)}
    inputs = {"input_ids": ids(2, length), **states}
    assert np.isnan(runs["openvino"](inputs)["logits"]).all()
    with pytest.raises(Exception, match="indices element out of data bounds"):
        runs["onnx"](inputs)


CONFIGS = {
    "model": ("GPT2Model", {}),
    "erf": ("GPT2LMHeadModel", {"activation_function": "gelu"}),
    "relu": ("GPT2LMHeadModel", {"activation_function": "relu", "n_inner": 12}),
    "unscaled": ("GPT2LMHeadModel", {"scale_attn_weights": False}),
    "by-layer": ("GPT2LMHeadModel", {"scale_attn_by_inverse_layer_idx": True, "layer_norm_epsilon": 1e-3}),
    "untied": ("GPT2LMHeadModel", {"tie_word_embeddings": False}),
}


@pytest.mark.parametrize("case", CONFIGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_class_and_field_of_the_config_counts(kind, case, tmp_path):
    name, config = CONFIGS[case]
    made = model(name, **config)
    path = export(kind, saved(made, tmp_path / "hf"), tmp_path / "out")
    got = opened(kind, path)({"input_ids": ids(2, 6), **empty(2)})
    wanted = expected(made, ids(2, 6))
    assert list(got)[-1] == ("last_hidden_state" if name == "GPT2Model" else "logits")
    for output, value in got.items():
        assert_close(value, wanted[output])


REFUSED = {
    "n_embd is no multiple of n_head": {"n_head": 3},
    "n_layer is not a positive whole number": {"n_layer": 0},
    "activation_function cannot be drawn": {"activation_function": "silu"},
    "add_cross_attention cannot be drawn": {"add_cross_attention": True},
    "lm_head.weight is missing": {"tie_word_embeddings": False},
    "wpe.weight does not fit": {"n_positions": LONGEST + 1},
    r"h\.3\..* is missing": {"n_layer": LAYERS + 1},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_config_that_does_not_fit_is_refused(message, lm, tmp_path):
    folder = saved(lm, tmp_path / "hf")
    config: Path = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **REFUSED[message]}))
    with pytest.raises(ParityError, match=message):
        export("onnx", folder, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
