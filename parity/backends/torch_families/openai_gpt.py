"""OpenAI GPT's classes in transformers.

The original's classifier reads a row at its `_classify_` token; the class takes that position as an argument, and
would read the last one without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.backends.torch_taps import Place

_BLOCK = "h.{k}"
_SCORE = "multiple_choice_head.summary"
TAPS: Mapping[str, Place] = {
    "embeddings": Place(field="hidden_states"),
    "layer.{k}": Place(field="hidden_states", offset=1),
    "lm.input": Place("lm_head", of_head=True, narrowed="lm_head", input=True),
    "logits.lm": Place("lm_head", of_head=True, narrowed="lm_head"),
    "classifier.input": Place(_SCORE, of_head=True, input=True),
    "logits.classifier": Place(_SCORE, of_head=True),
    "layer.{k}.attention.projection": Place(f"{_BLOCK}.attn.c_attn"),
    "layer.{k}.attention.probs": Place(field="attentions", only="eager"),
    "layer.{k}.attention.context": Place(f"{_BLOCK}.attn.c_proj", input=True),
    "layer.{k}.attention.output": Place(f"{_BLOCK}.attn.c_proj"),
    "layer.{k}.attention.norm": Place(f"{_BLOCK}.ln_1"),
    "layer.{k}.intermediate": Place(f"{_BLOCK}.mlp.c_proj", input=True),
    "layer.{k}.output": Place(f"{_BLOCK}.mlp.c_proj"),
}


def feed(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """The ids, and where the classifier reads; no mask, which the original has none of.

    Args:
        inputs: input_ids [B,T].
        model: with a multiple choice head, its config says whether `_classify_` is the last token (`n_special`); the
            first one of a row counts, or position 0 where there is none. Else the last position.
    """
    ids = inputs["input_ids"]
    if not hasattr(model, "multiple_choice_head"):
        return {"input_ids": ids}
    if getattr(model.config, "n_special", 0):
        places = (ids == model.config.vocab_size - 1).int().argmax(-1)
    else:
        places = ids.new_full((len(ids),), ids.shape[1] - 1)
    return {"input_ids": ids, "mc_token_ids": places}
