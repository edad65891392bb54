"""GPT-2's classes in transformers.

`hidden_states` ends with the final norm, so the last block's own output is read off its module. Keys and values come
from the cache that the model fills; what it held before (`past.k.key`, `past.k.value`) is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.backends.torch_taps import Place

_BLOCK = "h.{k}"
TAPS: Mapping[str, Place] = {
    "embeddings": Place("drop"),
    "layer.{k}": Place(_BLOCK),
    "final_norm": Place("ln_f"),
    "past.{k}.key": Place(),
    "past.{k}.value": Place(),
    "lm.input": Place("lm_head", of_head=True, narrowed="lm_head", input=True),
    "logits.lm": Place("lm_head", of_head=True, narrowed="lm_head"),
    "layer.{k}.attention.norm": Place(f"{_BLOCK}.ln_1"),
    "layer.{k}.attention.projection": Place(f"{_BLOCK}.attn.c_attn"),
    "layer.{k}.attention.probs": Place(field="attentions", only="eager"),
    "layer.{k}.attention.context": Place(f"{_BLOCK}.attn.c_proj", input=True),
    "layer.{k}.attention.output": Place(f"{_BLOCK}.attn.c_proj"),
    "layer.{k}.attention.residual": Place(f"{_BLOCK}.ln_2", input=True),
    "layer.{k}.norm": Place(f"{_BLOCK}.ln_2"),
    "layer.{k}.intermediate": Place(f"{_BLOCK}.mlp.c_proj", input=True),
    "layer.{k}.output": Place(f"{_BLOCK}.mlp.c_proj"),
}


def feed(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """The ids, and the past as a cache; no mask, which the original has none of.

    Args:
        inputs: input_ids [B,T]; past.k.key and past.k.value [B,H,P,d] of every block, or none.
        model: its blocks are counted.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    if "past.0.key" in inputs:
        dtype = next(model.parameters()).dtype
        for k in range(model.config.n_layer):
            # The cache may write into what it is given.
            pair = (inputs[f"past.{k}.{part}"].to(dtype).clone() for part in ("key", "value"))
            cache.update(*pair, layer_idx=k)
    return {"input_ids": inputs["input_ids"], "past_key_values": cache, "use_cache": True}


def answer(tap: str, answer: Any, k: int, inputs: Mapping[str, Any]) -> Any:
    """Keys or values [B,H,T,d] of this batch's own tokens."""
    cache = answer["past_key_values"]
    of_layer = _of_layer(cache, k)
    whole = of_layer[0] if tap.endswith("key") else of_layer[1]
    return whole[:, :, whole.shape[2] - inputs["input_ids"].shape[1] :]


def _of_layer(cache: Any, k: int) -> tuple[Any, Any]:
    if hasattr(cache, "layers"):  # transformers 4.54 and later
        return cache.layers[k].keys, cache.layers[k].values
    if hasattr(cache, "key_cache"):
        return cache.key_cache[k], cache.value_cache[k]
    keys, values = cache[k]
    return keys, values
