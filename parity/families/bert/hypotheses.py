"""What is likely to be wrong with a converted BERT beyond its weights: ids C, M and N of the fault catalogue."""

from __future__ import annotations

import numpy as np

from parity.families.suspects import (
    EPSILON,
    GELU_ERF,
    GELU_TANH,
    LINEAR,
    QUICK_GELU,
    RELU,
    SILU,
    TANH,
    InputSuspect,
    Suspects,
    positions_shifted,
)
from parity.tensorfile import Array

_CLOSED = 1.0 - 3.4e34
"""As a mask it takes the scores below everything float32 holds, where the original's -10000 only lowers them."""


def _closed(mask: Array) -> Array:
    return np.where(mask == 1, 1.0, _CLOSED)


_INVERTED, _SWAPPED = "the attention mask is inverted", "attention mask and token types are swapped"

SUSPECTS = Suspects(
    inputs=(
        InputSuspect(
            "mask-ignored",
            "the attention mask is ignored",
            lambda fed: {"attention_mask": np.ones_like(fed["attention_mask"])},
        ),
        InputSuspect("mask-inverted", _INVERTED, lambda fed: {"attention_mask": 1 - fed["attention_mask"]}),
        InputSuspect("mask-inverted", _INVERTED, lambda fed: {"attention_mask": _closed(1 - fed["attention_mask"])}),
        InputSuspect(
            "token-types-ignored",
            "the token types are ignored (all read as 0)",
            lambda fed: {"token_type_ids": np.zeros_like(fed["token_type_ids"])},
        ),
        InputSuspect(
            "mask-and-types-swapped",
            _SWAPPED,
            lambda fed: {"attention_mask": fed["token_type_ids"], "token_type_ids": fed["attention_mask"]},
        ),
        InputSuspect(
            "mask-and-types-swapped",
            _SWAPPED,
            lambda fed: {"attention_mask": _closed(fed["token_type_ids"]), "token_type_ids": fed["attention_mask"]},
        ),
    ),
    configs=(GELU_ERF, GELU_TANH, QUICK_GELU, SILU, RELU, TANH, LINEAR),
    fitted=(EPSILON,),
    tables=(positions_shifted("bert/embeddings/position_embeddings"),),
    vocabulary="bert/embeddings/word_embeddings",
)
