"""What a BERT's tensors are called on both sides, for the tables of faults."""

from __future__ import annotations

from typing import Final

LAYER: Final = "bert.encoder.layer.{middle}."
QUERY, KEY, VALUE = (f"{LAYER}attention.self.{part}" for part in ("query", "key", "value"))
ATTENTION_OUT: Final = f"{LAYER}attention.output.dense"
ATTENTION_NORM: Final = f"{LAYER}attention.output.LayerNorm"
WIDE: Final = f"{LAYER}intermediate.dense"
NARROW: Final = f"{LAYER}output.dense"
NORM: Final = f"{LAYER}output.LayerNorm"
WORDS: Final = "bert.embeddings.word_embeddings.weight"
POSITIONS: Final = "bert.embeddings.position_embeddings.weight"
TYPES: Final = "bert.embeddings.token_type_embeddings.weight"
EMBEDDINGS_NORM: Final = "bert.embeddings.LayerNorm"
POOLER: Final = "bert.pooler.dense"
TRANSFORM: Final = "cls.predictions.transform.dense"
MLM_BIAS: Final = "cls.predictions.bias"
DECODER: Final = "cls.predictions.decoder.weight"
NSP: Final = "cls.seq_relationship"

HERE: Final = "layer.{middle}"
"""The tap of the layer in the middle."""
