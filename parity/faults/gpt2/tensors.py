"""What a GPT-2's tensors are called, for the tables of faults."""

from __future__ import annotations

from typing import Final

LAYER: Final = "transformer.h.{middle}."
FUSED: Final = f"{LAYER}attn.c_attn"
ATTENTION_OUT: Final = f"{LAYER}attn.c_proj"
WIDE: Final = f"{LAYER}mlp.c_fc"
NARROW: Final = f"{LAYER}mlp.c_proj"
NORMS: Final = (f"{LAYER}ln_1", f"{LAYER}ln_2")
FINAL_NORM: Final = "transformer.ln_f"
WORDS: Final = "transformer.wte.weight"
POSITIONS: Final = "transformer.wpe.weight"

HERE: Final = "layer.{middle}"
"""The tap of the layer in the middle."""
