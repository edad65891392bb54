"""What is likely to be wrong with a converted GPT-2 beyond its weights: ids C and M of the fault catalogue."""

from __future__ import annotations

from collections.abc import Mapping

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
    FusedSuspect,
    InputSuspect,
    Suspects,
    positions_shifted,
)
from parity.tensorfile import Array


def _nothing_past(fed: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: array[:, :, :0] for name, array in fed.items() if name.startswith("past.")}


def _zeros_past(fed: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: np.zeros_like(array) for name, array in fed.items() if name.startswith("past.")}


SUSPECTS = Suspects(
    inputs=(
        InputSuspect("past-ignored", "what came before (past) is ignored", _nothing_past),
        InputSuspect("past-zero", "what came before (past) is zeros", _zeros_past),
    ),
    configs=(GELU_ERF, GELU_TANH, QUICK_GELU, SILU, RELU, TANH, LINEAR),
    fitted=(EPSILON,),
    tables=(positions_shifted("model/wpe"),),
    fused=(FusedSuspect("attn/c_attn", ("query", "key", "value")),),
    vocabulary="model/wte",
)
