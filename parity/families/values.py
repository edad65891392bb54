"""The values an architecture is described by; free of weight maps, so that a reference may import them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
class Feeds:
    """What an architecture's graph is fed beside `input_ids` [B,T] and, where it has token types, those."""

    masked: bool = True
    """Has the graph an attention mask? Without one the mask of a batch only tells which positions count, and its
    padding is on the right, where causal attention never looks."""
    states: tuple[str, ...] = ()
    """Templates of what one segment hands on to the next, such as `mems.{k}`: an optional input, and a tap."""
    empty: Callable[[Any, int, int], tuple[int, ...]] | None = None
    """(config, rows, length) -> shape of one such state of that length."""
    grows: bool = False
    """Is what a segment hands on put behind what it was fed (keys and values), or is it the whole already?"""
    zeros_first: bool = False
    """Does the original feed zeros before the first segment (Transformer-XL), or nothing?"""
    left: bool = False
    """Does the source pad rows on their left?"""
    padding_type: int = 0
    """The token type it gives padding."""
    two_streams: bool = False
    """Does it take `perm_mask` [B,T,T] and `target_mapping` [B,Q,T]?"""
    placed: Callable[[Any, int], Mapping[str, Any]] = lambda config, rows: {}
    """(config, rows) -> what a row's place in its batch decides, as arrays [B,...]: inputs for whoever parts the rows.

    Raises ParityError for a number of rows that the graph cannot take."""


@dataclass(frozen=True)
class Tap:
    """One observable value; `axes` spells its shape.

    B rows, T tokens, Q logit positions, M memory, H heads, C channels. Q are the rows of
    `target_mapping` where a batch has one.
    """

    name: str
    axes: str
    station: Literal["hidden", "head", "fine"]


@dataclass(frozen=True)
class Config:
    """The architecture's numbers under one set of names, and the source's own JSON as read.

    An architecture with more numbers than these derives its own from it.
    """

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    positions: int
    """Rows of the position table; where positions are relative, the longest row that inputs are made with."""
    token_types: int
    """0 = the architecture has none."""
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
