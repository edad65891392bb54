"""What is likely to be wrong with a converted BERT beyond its weights: ids C, M and N of the fault catalogue."""

from __future__ import annotations

import math

import numpy as np

from parity.families.suspects import ConfigSuspect, FittedSuspect, InputSuspect, Suspects, TableSuspect
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
    configs=(
        ConfigSuspect("activation", "the activation is GELU with erf", {"activation": "gelu_erf"}),
        ConfigSuspect("activation", "the activation is GELU by the tanh formula", {"activation": "gelu_tanh"}),
        ConfigSuspect(
            "activation",
            "the activation is x * sigmoid(1.702 x)",
            {"activation": "gelu_erf"},
            erf_slope=1.702 / math.sqrt(2.0),
        ),
        ConfigSuspect(
            "activation",
            "the activation is x * sigmoid(x)",
            {"activation": "gelu_erf"},
            erf_slope=1.0 / math.sqrt(2.0),
        ),
        ConfigSuspect("activation", "the activation is ReLU", {"activation": "relu"}),
        ConfigSuspect("activation", "the activation is tanh", {"activation": "tanh"}),
        ConfigSuspect("activation", "there is no activation", {"activation": "linear"}),
    ),
    fitted=(
        FittedSuspect(
            "epsilon",
            "LayerNorm{where} uses epsilon {value} +- {error}, not {usual}",
            "epsilon",
            step=1e-7,
            least=1e-30,
            vague="LayerNorm{where} uses another epsilon than {usual} (its value is not identifiable)",
            role="gamma",
        ),
    ),
    tables=(
        TableSuspect(
            "positions-shifted",
            "positions are counted from {shift} on",
            "bert/embeddings/position_embeddings",
            (1, 2, -1),
            ", and what lies beyond the table is its outermost row",
        ),
    ),
    vocabulary="bert/embeddings/word_embeddings",
)
