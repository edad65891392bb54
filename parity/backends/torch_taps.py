"""Where a Hugging Face module hands on what a tap names: one table per architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from parity.errors import ParityError


@dataclass(frozen=True)
class Place:
    """Template of a place: the path of a module whose output it is, or a field of the model's answer."""

    path: str | None = None
    """Module path, relative to the base model (to the whole model for a head); `{k}` is the layer."""
    field: str | None = None
    """`hidden_states` or `attentions`, read at layer k + `offset`."""
    offset: int = 0
    of_head: bool = False
    narrowed: str | None = None
    """Module whose input is narrowed to `logit_positions`."""
    only: str | None = None
    """The attention implementation that has it."""
    input: bool = False
    """What the module is fed, not what it hands on."""
    part: int = 0
    """Which of several values that the module hands on."""
    turned: bool = False
    """Are its first two axes length and rows?"""
    without: int | None = None
    """An axis of length 1 that is left out."""


@dataclass(frozen=True)
class Station:
    """A place in a loaded model. With neither module nor field, its family's `answer` finds the value."""

    module: Any
    field: str | None
    index: int
    of_head: bool
    narrowed: Any
    input: bool = False
    part: int = 0
    turned: bool = False
    without: int | None = None


_HERE = "parity.backends.torch_families"
FAMILIES: Mapping[str, str] = {
    name: f"{_HERE}.{name.replace('-', '_')}" for name in ("bert", "gpt2", "openai-gpt", "transfo-xl", "xlnet")
}


class Calling(Protocol):
    """What a module of `parity.backends.torch_families` may hold beside its table `TAPS`."""

    TAPS: Mapping[str, Place]

    def feed(self, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """A batch's tensors, int64 and float32, as the model's keyword arguments."""

    def answer(self, tap: str, answer: Any, k: int, inputs: Mapping[str, Any]) -> Any:
        """The value of a tap whose place has neither module nor field, from what the model answered."""


def calling(family: str) -> Any:
    """The module that tells how this architecture is called.

    Raises:
        ParityError: there is none for this family.
    """
    if family not in FAMILIES:
        raise ParityError(f"no taps are known for {family} in PyTorch", expected=f"one of {', '.join(FAMILIES)}")
    return import_module(FAMILIES[family])


def table(family: str) -> Mapping[str, Place]:
    """Places of an architecture's taps.

    Raises:
        ParityError: there is no table for this family.
    """
    places: Mapping[str, Place] = calling(family).TAPS
    return places


def stations(
    model: Any, family: str, taps: Sequence[str], *, attention: str
) -> tuple[dict[str, Station], dict[str, str]]:
    """Find every tap in a loaded model; returns those found, and for the others why they cannot be shown.

    Raises:
        ParityError: no table for this family.
    """
    places = table(family)
    layers = model.config.num_hidden_layers
    found: dict[str, Station] = {}
    absent: dict[str, str] = {}
    for tap in taps:
        layer = re.match(r"[a-z]+\.(\d+)(?=\.|$)", tap)
        k = int(layer[1]) if layer else 0
        place = places.get(re.sub(r"^([a-z]+)\.\d+", r"\1.{k}", tap))
        if place is None:
            absent[tap] = "no module of the model hands it on"
        elif k >= layers:
            absent[tap] = f"the model has {layers} layers"
        elif place.only not in (None, attention):
            absent[tap] = f"only attention {place.only} computes it as a value of its own, not {attention}"
        elif place.path is not None and _module(model, place, place.path.format(k=k)) is None:
            absent[tap] = f"{type(model).__name__} has no module {place.path.format(k=k)}"
        else:
            module = _module(model, place, place.path.format(k=k)) if place.path is not None else None
            narrowed = _module(model, place, place.narrowed) if place.narrowed is not None else None
            found[tap] = Station(
                module,
                place.field,
                k + place.offset,
                place.of_head,
                narrowed,
                place.input,
                place.part,
                place.turned,
                place.without,
            )
    return found, absent


def _module(model: Any, place: Place, path: str) -> Any:
    found = model if place.of_head else model.base_model
    for part in path.split("."):
        found = getattr(found, part, None)
    return found
