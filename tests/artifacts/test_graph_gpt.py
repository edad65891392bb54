"""The OpenAI GPT graph against transformers' own classes: heads, activations, lengths, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_runs import KINDS, assert_close, export, hf_model, opened, saved

from parity.errors import ParityError

HEADS, WIDTH, LAYERS, LONGEST, VOCABULARY = 4, 20, 2, 16, 53
INNER = ("embeddings", "layer.0", "layer.1", "layer.1.attention.probs", "layer.1.attention.norm")


def model(target_class: str, **config: Any) -> Any:
    from transformers import OpenAIGPTConfig

    sizes = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": LONGEST}
    return hf_model(target_class, OpenAIGPTConfig(**{**sizes, **config}))


def ids(rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(rows + 10 * length).integers(0, VOCABULARY, (rows, length))


def expected(model: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What PyTorch answers, by the names of the graph's values."""
    import torch

    norms: list[Any] = []
    hook = model.base_model.h[1].ln_1.register_forward_hook(lambda module, given, answer: norms.append(answer))
    with torch.inference_mode():
        answer = model(torch.from_numpy(inputs), output_hidden_states=True, output_attentions=True)
    hook.remove()
    found = {"embeddings": answer.hidden_states[0], "layer.1.attention.norm": norms[0]}
    found |= {f"layer.{k}": state for k, state in enumerate(answer.hidden_states[1:])}
    found["layer.1.attention.probs"] = answer.attentions[1]
    found |= {name: answer[name] for name in ("last_hidden_state", "logits", "mc_logits") if name in answer}
    return {name: value.numpy() for name, value in found.items()}


CASES = {
    "model": ("OpenAIGPTModel", {}, ["last_hidden_state"]),
    "lm": ("OpenAIGPTLMHeadModel", {}, ["logits"]),
    "relu": ("OpenAIGPTLMHeadModel", {"afn": "relu", "layer_norm_epsilon": 1e-3}, ["logits"]),
    "swish": ("OpenAIGPTLMHeadModel", {"afn": "swish"}, ["logits"]),
    "untied": ("OpenAIGPTLMHeadModel", {"tie_word_embeddings": False}, ["logits"]),
    "double": ("OpenAIGPTDoubleHeadsModel", {}, ["logits", "mc_logits"]),
    "double-tanh": ("OpenAIGPTDoubleHeadsModel", {"summary_activation": "tanh"}, ["logits", "mc_logits"]),
    "labels": ("OpenAIGPTForSequenceClassification", {"num_labels": 3, "pad_token_id": 7}, ["logits"]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_class_computes_what_pytorch_computes_at_any_size(kind, case, tmp_path):
    name, config, outputs = CASES[case]
    made = model(name, **config)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"), inner=INNER)
    for rows, length in ((3, 7), (1, 1), (2, LONGEST)):
        inputs = ids(rows, length)
        inputs[:, length // 2 + 1 :] = 7
        got, wanted = run({"input_ids": inputs}), expected(made, inputs)
        assert list(got) == [*outputs, *INNER]
        for output, value in got.items():
            assert_close(value, wanted[output].reshape(rows, 1) if output == "mc_logits" else wanted[output])


@pytest.mark.parametrize("kind", KINDS)
def test_with_special_tokens_the_first_that_classifies_is_read(kind, tmp_path):
    import torch

    made = model("OpenAIGPTDoubleHeadsModel", n_special=3)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"))
    inputs = ids(4, 8) % (VOCABULARY - 1)
    inputs[0, 5:7] = inputs[1, 7] = inputs[2, 0] = VOCABULARY - 1
    places = torch.tensor([5, 7, 0, 0])  # the last row has none
    with torch.inference_mode():
        wanted = made(torch.from_numpy(inputs), mc_token_ids=places).mc_logits.numpy()
    assert_close(run({"input_ids": inputs})["mc_logits"], wanted.reshape(4, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_without_padding_the_last_token_is_classified(kind, tmp_path):
    made = model("OpenAIGPTForSequenceClassification", num_labels=2)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"))
    assert_close(run({"input_ids": ids(1, 6)})["logits"], expected(made, ids(1, 6))["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_padding_alone_is_read_at_its_start(kind, tmp_path):
    made = model("OpenAIGPTForSequenceClassification", num_labels=2, pad_token_id=7)
    run, inputs = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out")), np.full((2, 5), 7)
    assert_close(run({"input_ids": inputs})["logits"], expected(made, inputs)["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_more_tokens_than_positions_are_refused(kind, tmp_path):
    run = opened(kind, export(kind, saved(model("OpenAIGPTModel"), tmp_path / "hf"), tmp_path / "out"))
    with pytest.raises(Exception, match=r"(?i)broadcast|dimension|shape"):
        run({"input_ids": ids(1, LONGEST + 1)})


REFUSED = {
    "afn cannot be drawn.*tanh": {"afn": "tanh"},
    "lm_head.weight is missing": {"tie_word_embeddings": False},
    "summary_type cannot be drawn": {"summary_type": "mean"},
    "summary_use_proj cannot be drawn": {"summary_use_proj": False},
    "tokens_embed.weight does not fit": {"vocab_size": VOCABULARY + 1},
    "n_special is not a whole number": {"n_special": "three"},
    "layer_norm_epsilon is not a number": {"layer_norm_epsilon": None},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_config_that_does_not_fit_is_refused(message, tmp_path):
    folder = saved(model("OpenAIGPTDoubleHeadsModel"), tmp_path / "hf")
    config: Path = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **REFUSED[message]}))
    with pytest.raises(ParityError, match=message):
        export("onnx", folder, tmp_path / "out")
