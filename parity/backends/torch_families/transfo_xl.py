"""Transformer-XL's classes in `parity.torch`, which lay everything out [T,B,...] inside, as the original does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.backends.torch_taps import Place

_LAYER = "layers.{k}"
TAPS: Mapping[str, Place] = {
    "embeddings": Place("word_emb", turned=True),
    "layer.{k}": Place(_LAYER, turned=True),
    "mems.{k}": Place(),
    "lm.input": Place("crit", of_head=True, narrowed="crit", input=True),
    "log_probs": Place("crit", of_head=True, narrowed="crit"),
    "layer.{k}.attention.probs": Place(field="attentions", only="eager"),
    "layer.{k}.attention.context": Place(f"{_LAYER}.dec_attn.o_net", input=True, turned=True),
    "layer.{k}.attention.output": Place(f"{_LAYER}.dec_attn.o_net", turned=True),
    "layer.{k}.attention.norm": Place(f"{_LAYER}.dec_attn", turned=True),
    "layer.{k}.intermediate": Place(f"{_LAYER}.pos_ff.CoreNet.1", turned=True),
    "layer.{k}.output": Place(f"{_LAYER}.pos_ff.CoreNet.3", turned=True),
}


def feed(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """The ids and the memory; no mask, which the original has none of.

    Args:
        inputs: input_ids [B,T]; mems.k [B,M,D] of every layer, or none: no memory at all, not the original's zeros.
        model: its layers are counted.
    """
    dtype, layers = next(model.parameters()).dtype, range(model.config.num_hidden_layers)
    held = [inputs[f"mems.{k}"].to(dtype).transpose(0, 1) for k in layers] if "mems.0" in inputs else []
    return {"input_ids": inputs["input_ids"], "mems": held}


def answer(tap: str, answer: Any, k: int, inputs: Mapping[str, Any]) -> Any:
    """The memory that layer k hands on to the next segment [B,M,D]."""
    return answer["mems"][k].transpose(0, 1)
