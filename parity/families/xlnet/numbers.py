"""XLNet's numbers, and the keys by which the original and transformers call them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from parity.families.values import Config

EPSILON = 1e-12
"""Fixed in tf.contrib.layers.layer_norm, which the original calls; its config has no field for it."""
SEGMENTS = 5
"""run_classifier's segment ids: first text, second text, <cls>, <sep> (never written), padding. Only whether two are
equal counts, so there is no table of them."""
LONGEST = 512

SIZES = {
    "n_token": "vocab_size",
    "d_model": "hidden_size",
    "n_layer": "layers",
    "n_head": "heads",
    "d_inner": "intermediate_size",
}
# Of the run, with what the original assumes: -1 and null stand for "without".
LENGTHS: Mapping[str, int | None] = {"mem_len": None, "reuse_len": None, "clamp_len": -1}
SWITCHES = {"same_length": False, "bi_data": False, "use_summ_proj": True}
CHOICES = {"attn_type": ("bi", "uni"), "summary_type": ("last", "first", "mean")}
RATES = {"dropout": 0.1, "init_std": 0.02}
ROW = "max_seq_length"

ACTIVATIONS = {"gelu": "gelu_tanh", "relu": "relu"}
TARGET_ACTIVATIONS = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}
READ_TARGET_ACTIVATIONS = {"gelu": "gelu_erf", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}


@dataclass(frozen=True)
class XLNetConfig(Config):
    """XLNet's numbers: of the checkpoint, and of the run."""

    untied: bool
    """Has every layer its own r_w_bias, r_r_bias and r_s_bias?"""
    mem_len: int
    """How much is remembered; 0: nothing is."""
    reuse_len: int
    """How much of a segment may be remembered; 0: all."""
    clamp_len: int
    """Distances beyond it count as this; -1: none does."""
    same_length: bool
    bi_data: bool
    attn_type: str
    summary_type: str
    summary_projected: bool


def numbers(config: Config) -> XLNetConfig:
    """The config as this family reads it.

    Raises:
        TypeError: it is of another architecture, which is a mistake of the caller's.
    """
    if not isinstance(config, XLNetConfig):
        raise TypeError(f"{type(config).__name__} is no config of XLNet's")
    return config


def whole(value: object) -> TypeGuard[int]:
    """Is it a whole number?"""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: object) -> str:
    """A value of the JSON as it stands there, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
