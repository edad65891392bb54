"""What GPT's and GPT-2's tensors are called in transformers, and where the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LAYER: Final = "transformer.h.{middle}."
FUSED: Final = f"{LAYER}attn.c_attn"
"""Query, key and value: weight [in, 3 out], as the original has it."""
ATTENTION_OUT: Final = f"{LAYER}attn.c_proj"
WIDE: Final = f"{LAYER}mlp.c_fc"
NARROW: Final = f"{LAYER}mlp.c_proj"
NORM_1: Final = f"{LAYER}ln_1"
NORM_2: Final = f"{LAYER}ln_2"
NORMS: Final = (NORM_1, NORM_2)
HERE: Final = "layer.{middle}"
"""The tap of the block in the middle."""
LOGITS: Final = "logits.lm"


@dataclass(frozen=True)
class Gpt:
    """One of the two."""

    words: str
    """The table of tokens."""
    key: str = HERE
    """Where a block's keys are seen first: GPT-2 hands them on."""
    value: str = HERE


GPT = Gpt("transformer.tokens_embed.weight")
GPT2 = Gpt("transformer.wte.weight", "past.{middle}.key", "past.{middle}.value")
