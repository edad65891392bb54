"""BERT's classes in transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.backends.torch_taps import Place

_LAYER = "encoder.layer.{k}"
TAPS: Mapping[str, Place] = {
    "embeddings": Place(field="hidden_states"),
    "layer.{k}": Place(field="hidden_states", offset=1),
    "pooler": Place("pooler"),
    "mlm.transform": Place("cls.predictions.transform", of_head=True, narrowed="cls.predictions"),
    "logits.mlm": Place("cls.predictions", of_head=True, narrowed="cls.predictions"),
    "logits.nsp": Place("cls.seq_relationship", of_head=True),
    "logits.classifier": Place("classifier", of_head=True),
    "logits.tokens": Place("classifier", of_head=True),
    "logits.qa": Place("qa_outputs", of_head=True),
    "layer.{k}.attention.query": Place(f"{_LAYER}.attention.self.query"),
    "layer.{k}.attention.key": Place(f"{_LAYER}.attention.self.key"),
    "layer.{k}.attention.value": Place(f"{_LAYER}.attention.self.value"),
    "layer.{k}.attention.probs": Place(field="attentions", only="eager"),
    "layer.{k}.attention.context": Place(f"{_LAYER}.attention.self"),
    "layer.{k}.attention.output": Place(f"{_LAYER}.attention.output.dense"),
    "layer.{k}.attention.norm": Place(f"{_LAYER}.attention.output"),
    "layer.{k}.intermediate": Place(f"{_LAYER}.intermediate"),
    "layer.{k}.output": Place(f"{_LAYER}.output.dense"),
}


def feed(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """The inputs as they are; for multiple choice as [B,1,T], where every row is the only choice of its own question.

    Args:
        inputs: input_ids, and attention_mask and token_type_ids where they are given, [B,T].
        model: the bare one or one with a head.
    """
    if type(model).__name__ != "BertForMultipleChoice":
        return dict(inputs)
    return {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
