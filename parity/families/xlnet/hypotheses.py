"""What is likely to be wrong with a converted XLNet beyond its weights: ids C, K and M of the fault catalogue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.families.suspects import (
    EPSILON,
    GELU_ERF,
    GELU_TANH,
    QUICK_GELU,
    RELU,
    ConfigSuspect,
    InputSuspect,
    Suspects,
)
from parity.tensorfile import Array

_CLS = 2
"""The segment of <cls>, which stands for itself."""


def _forgotten(fed: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: array[:, :0] for name, array in fed.items() if name.startswith("mems.")}


def _zeroed(fed: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: np.zeros_like(array) for name, array in fed.items() if name.startswith("mems.")}


def _cls_in_the_first_segment(types: Array) -> Array:
    return np.where(types == _CLS, 0, types)


SUSPECTS = Suspects(
    inputs=(
        InputSuspect(
            "mask-ignored",
            "the attention mask is ignored",
            lambda fed: {"attention_mask": np.ones_like(fed["attention_mask"])},
        ),
        InputSuspect(
            "mask-inverted",
            "the attention mask is inverted (the original's input_mask is 1 for padding)",
            lambda fed: {"attention_mask": 1 - fed["attention_mask"]},
        ),
        InputSuspect(
            "token-types-ignored",
            "the segments are ignored (all read as 0)",
            lambda fed: {"token_type_ids": np.zeros_like(fed["token_type_ids"])},
        ),
        InputSuspect(
            "cls-segment",
            "<cls> is of the first text's segment, not of its own",
            lambda fed: {"token_type_ids": _cls_in_the_first_segment(fed["token_type_ids"])},
        ),
        InputSuspect("memory-ignored", "the memory is ignored", _forgotten),
        InputSuspect("memory-zero", "the memory is zeros", _zeroed),
    ),
    configs=(
        GELU_ERF,
        GELU_TANH,
        QUICK_GELU,
        RELU,
        ConfigSuspect("attention-type", "attention is causal", {"attn_type": "uni"}),
    ),
    fitted=(EPSILON,),
    stacked=tuple(f"model/transformer/{name}" for name in ("r_w_bias", "r_r_bias", "r_s_bias", "seg_embed")),
    vocabulary="model/transformer/word_embedding/lookup_table",
)
