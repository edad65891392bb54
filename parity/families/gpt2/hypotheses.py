"""What is likely to be wrong with a converted GPT-2 beyond its weights: ids C and M of the fault catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from parity.families.suspects import (
    ConfigSuspect,
    FittedSuspect,
    FusedSuspect,
    InputSuspect,
    Suspects,
    TableSuspect,
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
            "model/wpe",
            (1, 2, -1),
            ", and what lies beyond the table is its outermost row",
        ),
    ),
    fused=(FusedSuspect("attn/c_attn", ("query", "key", "value")),),
    vocabulary="model/wte",
)
