"""What a fault is, how it gets in, and what is expected to become of it. Tables of these are the corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from parity.families.values import Config
from parity.inputs.wordpiece import Casing
from parity.tensorfile import Array
from parity.traces import TraceBatch

Verdict: TypeAlias = Literal["refused", "tap", "token ids", "completeness", "weight proof", "equivalent"]
"""What is expected. `refused`: a message names `place`. `tap`: `place` is the first guilty station. `weight proof`:
outputs are green, and the hashes are not. `equivalent`: no output can show it, and nothing may claim it."""

Tensors: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class Layout:
    """What an edit may want to know of the model it spoils."""

    config: Config
    middle: int
    """The layer that is spoilt where one is enough."""
    unused_row: int = 0
    """A row of the vocabulary table that no input touches."""

    @classmethod
    def of(cls, config: Config, *, unused_row: int = 0) -> Layout:
        """The layout of a model."""
        return cls(config, config.layers // 2, unused_row)


Edit: TypeAlias = Callable[[Tensors, Layout], None]
"""Changes tensors (names, values) in place."""


Setting: TypeAlias = Callable[[Layout], Any]
"""A value of a config that depends on the model."""


def always(value: Any) -> Setting:
    """The same for every model."""
    return lambda layout: value


@dataclass(frozen=True)
class Artifact:
    """The Hugging Face directory is edited behind the converter's back: tensors, config.json, other files."""

    edit: Edit | None = None
    config: Mapping[str, Setting] = field(default_factory=dict)
    files: Callable[[Path], object] | None = None
    scales: bool = True
    """Is W + t (W_fault - W) the same kind of fault, only smaller?"""


@dataclass(frozen=True)
class Runtime:
    """PyTorch computes something else: a misdeed of `parity.backends.faulty`, or a setting of the plain runtime."""

    misdeed: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The exported file is edited, by a function of `parity.backends.faulty_graphs`."""

    runtime: str
    edit: str


@dataclass(frozen=True)
class Trace:
    """What a sound run left behind is changed afterwards."""

    edit: Callable[[list[TraceBatch], Layout], list[TraceBatch]]
    source_too: bool = False
    """The source's own run has the same flaw."""


@dataclass(frozen=True)
class Source:
    """The checkpoint's folder is edited, then converted. `edit` works on tensors, `files` on the folder besides."""

    edit: Edit | None = None
    config: Mapping[str, Setting] = field(default_factory=dict)
    files: Callable[[Path], Path | None] | None = None
    """Spoils the written folder; returns the path to name in place of the folder, if another."""


@dataclass(frozen=True)
class Tokens:
    """tokenizer.json is edited; the ids of these texts are compared with the source's rules."""

    edit: Callable[[dict[str, Any], Casing], None]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Inputs:
    """Arrays that no run may accept."""

    edit: Callable[[dict[str, Array], Config], None]


Injection: TypeAlias = Artifact | Runtime | Graph | Trace | Source | Tokens | Inputs


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the corpus."""

    id: str
    """Of the catalogue: `T-01`. `S-..` are the silent passes of other tools, which the catalogue does not number."""
    variant: str
    what: str
    inject: Injection
    verdict: Verdict = "tap"
    place: str = ""
    """Template: the first guilty tap (`layer.{middle}`), or what a refusal must name."""
    causes: Sequence[str] = ()
    """What a right diagnosis says: each is `kind`, or `kind: words its subject or sentence must hold`; any will do.
    Empty where outputs cannot tell the cause."""
    least_layers: int = 1
    """Models with fewer cannot have it."""

    @property
    def name(self) -> str:
        """`T-01/query`."""
        return f"{self.id}/{self.variant}"

    @property
    def scales(self) -> bool:
        """Has it a size?"""
        return isinstance(self.inject, Artifact) and self.inject.scales and self.verdict == "tap"


def fill(template: str, layout: Layout) -> str:
    """A template with this model's numbers: {middle}, {before}, {last}."""
    return template.format(middle=layout.middle, before=layout.middle - 1, last=layout.config.layers - 1)
