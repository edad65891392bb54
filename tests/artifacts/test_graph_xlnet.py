"""The XLNet graph against transformers' own classes: masks, segments, memories, flags, heads, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_runs import KINDS, assert_close, export, hf_model, opened, saved
from small_xlnet import write_source

from parity.artifacts import convert_checkpoint
from parity.errors import ParityError

HEADS, WIDTH, LAYERS, VOCABULARY, MEMORY = 4, 20, 2, 53, 6
INNER = ("embeddings", "layer.0", "layer.1", "layer.1.attention.probs")
Arrays = dict[str, np.ndarray]


def model(target_class: str = "XLNetLMHeadModel", **config: Any) -> Any:
    from transformers import XLNetConfig

    sizes = {"vocab_size": VOCABULARY, "d_model": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 28}
    return hf_model(target_class, XLNetConfig(**{**sizes, "ff_activation": "gelu_new", "mem_len": MEMORY, **config}))


def batch(rows: int = 4, length: int = 9, memory: int = 0) -> Arrays:
    """Ids, segments and masks (full, padded left, padded right, with holes), and a memory."""
    rng = np.random.default_rng(rows + 10 * length + 100 * memory)
    mask = np.ones((rows, length), np.int64)
    mask[1:2, : length // 2] = 0
    mask[2:3, length // 2 + 1 :] = 0
    mask[3:4, 1 : length - 1 : 2] = 0
    mems = {f"mems.{k}": rng.normal(size=(rows, memory, WIDTH)).astype(np.float32) for k in range(LAYERS)}
    return {
        "input_ids": rng.integers(0, VOCABULARY, (rows, length)),
        "attention_mask": mask,
        "token_type_ids": rng.choice((0, 1, 2, 4), (rows, length)),
        **mems,
    }


def expected(model: Any, inputs: Arrays) -> Arrays:
    """What PyTorch answers, by the names of the graph's values."""
    import torch

    fed = {name: torch.from_numpy(inputs[name]) for name in ("input_ids", "token_type_ids", "attention_mask")}
    if model.config.attn_type == "uni" and (inputs["attention_mask"] == 1).all():
        del fed["attention_mask"]  # transformers adds masks of several rows to a causal one in place, which fails
    if "MultipleChoice" in type(model).__name__:
        fed = {name: value[:, None] for name, value in fed.items()}
    mems = [torch.from_numpy(inputs[f"mems.{k}"]).transpose(0, 1) for k in range(LAYERS)]
    before = mems if len(mems[0]) else None
    with torch.inference_mode():
        answer = model(**fed, mems=before, use_mems=True, output_hidden_states=True, output_attentions=True)
    found = {"embeddings": answer.hidden_states[0]}
    found |= {f"layer.{k}": state for k, state in enumerate(answer.hidden_states[1:])}
    found |= {f"new_mems.{k}": mem.transpose(0, 1) for k, mem in enumerate(answer.mems)}
    found["layer.1.attention.probs"] = answer.attentions[1]
    names = ("last_hidden_state", "logits", "start_logits", "end_logits")
    found |= {name: answer[name] for name in names if name in answer}
    return {name: value.numpy() for name, value in found.items()}


def compare(run: Any, model: Any, inputs: Arrays) -> Arrays:
    got, wanted = run(inputs), expected(model, inputs)
    for name, value in got.items():
        assert_close(value, wanted[name])
    return got


@pytest.fixture(scope="module")
def lm():
    return model()


@pytest.fixture(scope="module")
def runs(lm, tmp_path_factory):
    folder = saved(lm, tmp_path_factory.mktemp("lm"))
    return {kind: opened(kind, export(kind, folder, folder / kind), inner=INNER) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_masks_segments_and_memories_of_any_size_count_as_in_pytorch(kind, runs, lm):
    for rows, length, memory in ((4, 9, 0), (4, 7, 5), (1, 1, 0), (2, 1, 3), (3, 16, 20)):
        got = compare(runs[kind], lm, batch(rows, length, memory))
        assert set(got) == {"logits", "new_mems.0", "new_mems.1", *INNER}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_real_token_sees_each_token_itself(kind, runs, lm):
    inputs = batch(2, 5)
    inputs["attention_mask"][1] = 0
    got = compare(runs[kind], lm, inputs)
    np.testing.assert_array_equal(got["layer.1.attention.probs"][1], np.broadcast_to(np.eye(5), (HEADS, 5, 5)))


@pytest.mark.parametrize("changed", ["attention_mask", "token_type_ids", "mems.1"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_input_reaches_the_graph(kind, changed, runs):
    inputs = batch(4, 7, 3)
    other = {**inputs, changed: 1 - inputs[changed]}
    assert np.abs(runs[kind](other)["layer.1"] - runs[kind](inputs)["layer.1"]).max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_segments_are_only_compared(kind, runs):
    inputs = batch(4, 7)
    renumbered = {**inputs, "token_type_ids": inputs["token_type_ids"] + 3}
    np.testing.assert_array_equal(runs[kind](inputs)["logits"], runs[kind](renumbered)["logits"])


CASES = {
    "model": ("XLNetModel", {}, ["last_hidden_state"]),
    "erf": ("XLNetLMHeadModel", {"ff_activation": "gelu"}, ["logits"]),
    "relu": ("XLNetLMHeadModel", {"ff_activation": "relu", "layer_norm_eps": 1e-3}, ["logits"]),
    "untied": ("XLNetLMHeadModel", {"tie_word_embeddings": False}, ["logits"]),
    "clamped": ("XLNetModel", {"clamp_len": 3}, ["last_hidden_state"]),
    "reused": ("XLNetModel", {"reuse_len": 4, "mem_len": 5}, ["last_hidden_state"]),
    "labels": ("XLNetForSequenceClassification", {"num_labels": 3}, ["logits"]),
    "score": ("XLNetForSequenceClassification", {"num_labels": 1, "summary_type": "mean"}, ["logits"]),
    "first": ("XLNetForSequenceClassification", {"summary_type": "first", "summary_activation": None}, ["logits"]),
    "bare": ("XLNetForSequenceClassification", {"summary_use_proj": False, "summary_activation": None}, ["logits"]),
    "choices": ("XLNetForMultipleChoice", {}, ["logits"]),
    "spans": ("XLNetForQuestionAnsweringSimple", {}, ["start_logits", "end_logits"]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_class_and_field_of_the_config_counts(kind, case, tmp_path):
    name, config, outputs = CASES[case]
    made = model(name, **config)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"))
    for sizes in ((4, 9, 0), (3, 6, 4)):
        assert list(compare(run, made, batch(*sizes))) == ["new_mems.0", "new_mems.1", *outputs]


@pytest.mark.parametrize("same_length", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_one_direction_is_causal(kind, same_length, tmp_path):
    made = model("XLNetModel", attn_type="uni", same_length=same_length)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"))
    for sizes in ((3, 7, 0), (2, 5, 4), (1, 6, 9)):
        compare(run, made, {**batch(*sizes), "attention_mask": np.ones(sizes[:2], np.int64)})
    inputs = batch(3, 7)
    later = {name: array.copy() for name, array in inputs.items()}
    later["input_ids"][:, 5:] += 1
    np.testing.assert_array_equal(run(later)["last_hidden_state"][:, :5], run(inputs)["last_hidden_state"][:, :5])


@pytest.mark.parametrize("kind", KINDS)
def test_without_mem_len_nothing_is_handed_on(kind, tmp_path):
    made = model("XLNetModel", mem_len=None)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"))
    assert list(compare(run, made, batch(4, 5, 3))) == ["last_hidden_state"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_summary_is_a_value_of_its_own(kind, tmp_path):
    made = model("XLNetForSequenceClassification", num_labels=2)
    run = opened(kind, export(kind, saved(made, tmp_path / "hf"), tmp_path / "out"), inner=("summary", "layer.1"))
    got = run(batch())
    dense = made.sequence_summary.summary
    wanted = np.tanh(got["layer.1"][:, -1] @ dense.weight.detach().numpy().T + dense.bias.detach().numpy())
    assert_close(got["summary"], wanted)


REFUSED = {
    "attn_type cannot be drawn": {"attn_type": "both"},
    "lm_loss.weight is missing": {"tie_word_embeddings": False},
    "bi_data cannot be drawn": {"bi_data": True},
    "ff_activation cannot be drawn": {"ff_activation": "silu"},
    "mem_len is not a whole number": {"mem_len": -2},
    "d_head is not": {"d_head": 7},
    "d_model is no multiple of n_head": {"n_head": 3},
    "word_embedding.weight does not fit": {"vocab_size": 54},
    "clamp_len is not a whole number": {"clamp_len": "all"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_config_that_does_not_fit_is_refused(message, lm, tmp_path):
    folder = saved(lm, tmp_path / "hf")
    config: Path = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **REFUSED[message]}))
    with pytest.raises(ParityError, match=message):
        export("onnx", folder, tmp_path / "out")


def test_answers_by_beam_search_are_refused_by_the_source_s_own_name(tmp_path):
    source = write_source(tmp_path / "source", "qa")
    with pytest.raises(ParityError, match=r"no graph for this class.*beam search.*--head") as caught:
        convert_checkpoint(str(source), tmp_path / "out", to="onnx")
    assert str(caught.value.where) == str(source / "xlnet_model.ckpt")
    assert not (tmp_path / "out").exists()
