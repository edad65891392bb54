"""What is likely to be wrong with a conversion of a family, beyond its weights: data that the diagnosis tries out.

Weights need no list: which tensors may be transposed, swapped or dropped follows from the family's variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from parity.tensorfile import Array


@dataclass(frozen=True)
class InputSuspect:
    """Inputs that a runtime may compute with in place of those it was fed."""

    kind: str
    sentence: str
    change: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    """(inputs [B, T]) -> the arrays that differ, by name."""


@dataclass(frozen=True)
class ConfigSuspect:
    """Another computation than the config says."""

    kind: str
    sentence: str
    fields: Mapping[str, object]
    """Fields of `Config` that are replaced."""
    erf_slope: float | None = None
    """erf(x) is replaced by tanh(slope x): a GELU by way of the sigmoid, which no config of the source can say."""


@dataclass(frozen=True)
class FittedSuspect:
    """A number of the config whose value is recovered from the residual."""

    kind: str
    sentence: str
    """With `{where}`, `{value}`, `{error}` and `{usual}`."""
    field: str
    step: float
    """What the number is moved by to see how the station answers."""
    least: float
    """No value below it is tried."""
    vague: str
    """The sentence where the value is not identifiable, with `{where}` and `{usual}`."""
    role: str
    """Role of a tensor that every stage reads which computes with the number: each may have another by itself."""


@dataclass(frozen=True)
class TableSuspect:
    """A table that is looked up by something that may be counted from elsewhere."""

    kind: str
    sentence: str
    """With `{shift}`."""
    table: str
    shifts: tuple[int, ...]
    held: str
    """What is added where rows beyond the table are its first or last, in place of those at its other end."""


@dataclass(frozen=True)
class FusedSuspect:
    """One kernel in place of several, which lie side by side along its last axis; its bias likewise."""

    scope: str
    """Part of the names of its tensors."""
    parts: tuple[str, ...]


@dataclass(frozen=True)
class TensorSuspect:
    """Tensors that may have gone through a function together."""

    kind: str
    sentence: str
    names: tuple[str, ...]
    change: Callable[[Array], Array]


@dataclass(frozen=True)
class Suspects:
    """Everything of one family."""

    inputs: tuple[InputSuspect, ...] = ()
    configs: tuple[ConfigSuspect, ...] = ()
    fitted: tuple[FittedSuspect, ...] = ()
    tables: tuple[TableSuspect, ...] = ()
    fused: tuple[FusedSuspect, ...] = ()
    tensors: tuple[TensorSuspect, ...] = ()
    stacked: tuple[str, ...] = ()
    """Tensors [layers, ...] that hold every layer's own."""
    vocabulary: str | None = None
    """The table that is looked up by token id."""
    ids: str = "input_ids"
    """The input it is looked up with."""


GELU_ERF = ConfigSuspect("activation", "the activation is GELU with erf", {"activation": "gelu_erf"})
GELU_TANH = ConfigSuspect("activation", "the activation is GELU by the tanh formula", {"activation": "gelu_tanh"})
QUICK_GELU = ConfigSuspect(
    "activation",
    "the activation is x * sigmoid(1.702 x)",
    {"activation": "gelu_erf"},
    erf_slope=1.702 / math.sqrt(2.0),
)
SILU = ConfigSuspect(
    "activation", "the activation is x * sigmoid(x)", {"activation": "gelu_erf"}, erf_slope=1.0 / math.sqrt(2.0)
)
RELU = ConfigSuspect("activation", "the activation is ReLU", {"activation": "relu"})
TANH = ConfigSuspect("activation", "the activation is tanh", {"activation": "tanh"})
LINEAR = ConfigSuspect("activation", "there is no activation", {"activation": "linear"})

EPSILON = FittedSuspect(
    "epsilon",
    "LayerNorm{where} uses epsilon {value} +- {error}, not {usual}",
    "epsilon",
    step=1e-7,
    least=1e-30,
    vague="LayerNorm{where} uses another epsilon than {usual} (its value is not identifiable)",
    role="gamma",
)


def positions_shifted(table: str) -> TableSuspect:
    """Positions that are looked up in that table from elsewhere on."""
    return TableSuspect(
        "positions-shifted",
        "positions are counted from {shift} on",
        table,
        (1, 2, -1),
        ", and what lies beyond the table is its outermost row",
    )
