"""What a Transformer-XL's tensors are called in its artifact, for the tables of faults."""

from __future__ import annotations

from typing import Final

LAYER: Final = "transformer.layers.{middle}."
ATTENTION: Final = f"{LAYER}dec_attn."
FUSED: Final = f"{ATTENTION}qkv_net.weight"
"""Query, key and value, one below the other: [3 out, in]."""
DISTANCES: Final = f"{ATTENTION}r_net.weight"
ATTENTION_OUT: Final = f"{ATTENTION}o_net.weight"
ATTENTION_NORM: Final = f"{ATTENTION}layer_norm"
WIDE: Final = f"{LAYER}pos_ff.CoreNet.0"
NARROW: Final = f"{LAYER}pos_ff.CoreNet.3"
NORM: Final = f"{LAYER}pos_ff.layer_norm"
TABLE: Final = "transformer.word_emb.emb_layers.{k}.weight"
PROJECTION: Final = "transformer.word_emb.emb_projs.0"
HERE: Final = "layer.{middle}"
"""The tap of the layer in the middle."""
LOG_PROBS: Final = "log_probs"
