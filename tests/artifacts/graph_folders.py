"""Tiny Hugging Face BERT folders made without PyTorch, batches for them, and what PyTorch answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from parity.tensorfile import TensorSpec, write_tensors

CONFIG: dict[str, Any] = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 20,
    "intermediate_size": 28,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 16,
    "model_type": "bert",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 53,
}
LABELS = 3
CLASSES = (
    "BertModel",
    "BertForPreTraining",
    "BertForMaskedLM",
    "BertLMHeadModel",
    "BertForNextSentencePrediction",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertForMultipleChoice",
    "BertForQuestionAnswering",
)
_BARE = {"BertForMaskedLM", "BertLMHeadModel", "BertForTokenClassification", "BertForQuestionAnswering"}
_CLASSIFIERS = ("BertForSequenceClassification", "BertForTokenClassification")


def shapes(target_class: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Weights of a class by their names in transformers, written down by hand."""
    hidden, wide, vocabulary = (config[key] for key in ("hidden_size", "intermediate_size", "vocab_size"))
    base = "" if target_class == "BertModel" else "bert."
    found: dict[str, tuple[int, ...]] = {
        f"{base}embeddings.word_embeddings.weight": (vocabulary, hidden),
        f"{base}embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        f"{base}embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
    }
    dense, norms = {}, [f"{base}embeddings.LayerNorm"]
    for k in range(config["num_hidden_layers"]):
        layer = f"{base}encoder.layer.{k}"
        dense |= {f"{layer}.attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
        dense[f"{layer}.attention.output.dense"] = (hidden, hidden)
        dense[f"{layer}.intermediate.dense"] = (wide, hidden)
        dense[f"{layer}.output.dense"] = (hidden, wide)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    if target_class not in _BARE:
        dense[f"{base}pooler.dense"] = (hidden, hidden)
    if target_class in ("BertForPreTraining", "BertForMaskedLM", "BertLMHeadModel"):
        dense["cls.predictions.transform.dense"] = (hidden, hidden)
        norms.append("cls.predictions.transform.LayerNorm")
        found["cls.predictions.bias"] = (vocabulary,)
    if target_class in ("BertForPreTraining", "BertForNextSentencePrediction"):
        dense["cls.seq_relationship"] = (2, hidden)
    if target_class in _CLASSIFIERS:
        dense["classifier"] = (LABELS, hidden)
    if target_class == "BertForMultipleChoice":
        dense["classifier"] = (1, hidden)
    if target_class == "BertForQuestionAnswering":
        dense["qa_outputs"] = (2, hidden)
    for scope, shape in dense.items():
        found |= {f"{scope}.weight": shape, f"{scope}.bias": shape[:1]}
    for scope in norms:
        found |= {f"{scope}.weight": (hidden,), f"{scope}.bias": (hidden,)}
    return found


def weights(target_class: str, **config: Any) -> dict[str, np.ndarray]:
    """Random weights of a class, norms around 1."""
    rng = np.random.default_rng(11)
    return {
        name: (rng.normal(0, 0.3, shape) + name.endswith("LayerNorm.weight")).astype(np.float32)
        for name, shape in shapes(target_class, {**CONFIG, **config}).items()
    }


def write_folder(folder: Path, target_class: str, arrays: dict[str, np.ndarray] | None = None, **config: Any) -> Path:
    """A Hugging Face folder of that class; `arrays` instead of random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = {"id2label": {str(n): f"LABEL_{n}" for n in range(LABELS)}} if target_class in _CLASSIFIERS else {}
    text = json.dumps({**CONFIG, **labels, "architectures": [target_class], **config})
    (folder / "config.json").write_text(text)
    chosen = weights(target_class, **config) if arrays is None else arrays
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in chosen.items()]
    write_tensors(folder / "model.safetensors", specs, chosen.values(), metadata={"format": "pt"})
    return folder


def batch(rows: int = 4, length: int = 9, *, seed: int = 3) -> dict[str, np.ndarray]:
    """Ids, two segments, and masks: full, padded right, padded left, with holes."""
    rng = np.random.default_rng(seed)
    mask = np.ones((rows, length), np.int64)
    for row in range(rows):
        if row % 4 == 1:
            mask[row, length // 2 + 1 :] = 0
        elif row % 4 == 2:
            mask[row, : length // 2] = 0
        elif row % 4 == 3:
            mask[row, 1 : length - 1 : 2] = 0
    return {
        "input_ids": rng.integers(0, CONFIG["vocab_size"], (rows, length)),
        "attention_mask": mask,
        "token_type_ids": rng.integers(0, 2, (rows, length)),
    }


def eager(folder: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Taps and shipped outputs as PyTorch computes them with eager attention, float32."""
    import os

    os.environ.setdefault("USE_TF", "0")
    import torch
    import transformers

    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    model = getattr(transformers, name).from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        fed = {key: torch.from_numpy(inputs[key]) for key in ("input_ids", "attention_mask", "token_type_ids")}
        # Multiple choice takes [B, choices, T]; here every row is the only choice of its own question.
        shaped = {key: ids[:, None] if name == "BertForMultipleChoice" else ids for key, ids in fed.items()}
        answer = model(**shaped, output_hidden_states=True)
        encoded = model.base_model(**fed)
    states = answer.hidden_states
    found = {"embeddings": states[0], "last_hidden_state": states[-1]}
    found |= {f"layer.{k}": state for k, state in enumerate(states[1:])}
    if encoded.pooler_output is not None:
        found["pooler"] = found["pooler_output"] = encoded.pooler_output
    for key in ("prediction_logits", "seq_relationship_logits", "logits", "start_logits", "end_logits"):
        if key in answer:
            found[key] = answer[key]
    return {key: value.numpy() for key, value in found.items()}
