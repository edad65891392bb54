"""The values an architecture is described by; free of weight maps, so that a reference may import them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["kernel", "embedding", "gamma", "beta", "bias"]


@dataclass(frozen=True)
class Variable:
    """One variable of the original graph: its name, shape, and what it is (which decides how a stand-in fills it)."""

    name: str
    shape: tuple[int, ...]
    role: Role


@dataclass(frozen=True)
class Tap:
    """One observable value. `axes` spells its shape: B rows, T tokens, Q logit positions, C channels."""

    name: str
    axes: str
    station: Literal["hidden", "head", "fine"]


@dataclass(frozen=True)
class Config:
    """The architecture's numbers under one set of names, and the source's own JSON as read."""

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    positions: int
    token_types: int
    activation: str
    """What is computed: `gelu_erf`, `gelu_tanh`, `relu`, `tanh` or `linear`."""
    epsilon: float
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """One task head: its name for `--head`, the Hugging Face class that holds it, and its logit taps."""

    name: str
    target_class: str
    taps: tuple[str, ...]


def gelu_option(activation: str) -> str | None:
    """What `--activation` says for a computed activation: `erf`, `tanh`, or None where it is no GELU."""
    kind, _, form = activation.partition("_")
    return form if kind == "gelu" else None
