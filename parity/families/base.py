"""What every architecture tells the rest of the house; one folder per architecture fills this in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from parity.ops import Stage
from parity.weights import Table

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


@dataclass(frozen=True)
class Family:
    """An architecture. Every member is a pure function; nothing here loads a framework."""

    name: str
    recognises: Callable[[Collection[str]], bool]
    """Do these variable names belong to this family?"""
    read_config: Callable[..., Config]
    """(raw JSON, *, where: Path, activation: str | None) -> Config; raises ParityError."""
    heads: Callable[[Collection[str]], tuple[Head, ...]]
    """The heads that a checkpoint with these variable names can be converted to; the first is the default."""
    variables: Callable[..., tuple[Variable, ...]]
    """(config, head: Head, *, labels: int) -> the variables that head's original graph has."""
    table: Callable[[Config, Head], Table]
    taps: Callable[[Config, Head], tuple[Tap, ...]]
    """Stations in the order data flows through them: embeddings first, heads last, fine taps not included."""
    stages: Callable[[Config, Head], Sequence[Stage]]
    target_config: Callable[..., dict[str, Any]]
    """(config, head, *, labels: int, special: Mapping[str, int]) -> the Hugging Face config.json."""


CONFIG_NAMES: Mapping[str, tuple[str, ...]] = {"bert": ("bert_config.json", "config.json")}


def find_config(folder: Path, family: str) -> Path | None:
    """The first of the family's config file names that `folder` has."""
    return next((folder / name for name in CONFIG_NAMES[family] if (folder / name).is_file()), None)
