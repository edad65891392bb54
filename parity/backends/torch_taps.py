"""Where a Hugging Face module hands on what a tap names: one table per architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Station:
    """A place in a loaded model."""

    module: Any
    field: str | None
    index: int
    of_head: bool
    narrowed: Any


_LAYER = "encoder.layer.{k}"
TAPS: Mapping[str, Mapping[str, Place]] = {
    "bert": {
        "embeddings": Place(field="hidden_states"),
        "layer.{k}": Place(field="hidden_states", offset=1),
        "pooler": Place("pooler"),
        "mlm.transform": Place("cls.predictions.transform", of_head=True, narrowed="cls.predictions"),
        "logits.mlm": Place("cls.predictions", of_head=True, narrowed="cls.predictions"),
        "logits.nsp": Place("cls.seq_relationship", of_head=True),
        "logits.classifier": Place("classifier", of_head=True),
        "logits.tokens": Place("classifier", of_head=True),
        "logits.qa": Place("qa_outputs", of_head=True),
        "layer.{k}.attention.query": Place(f"{_LAYER}.attention.self.query"),
        "layer.{k}.attention.key": Place(f"{_LAYER}.attention.self.key"),
        "layer.{k}.attention.value": Place(f"{_LAYER}.attention.self.value"),
        "layer.{k}.attention.probs": Place(field="attentions", only="eager"),
        "layer.{k}.attention.context": Place(f"{_LAYER}.attention.self"),
        "layer.{k}.attention.output": Place(f"{_LAYER}.attention.output.dense"),
        "layer.{k}.attention.norm": Place(f"{_LAYER}.attention.output"),
        "layer.{k}.intermediate": Place(f"{_LAYER}.intermediate"),
        "layer.{k}.output": Place(f"{_LAYER}.output.dense"),
    }
}


def stations(
    model: Any, family: str, taps: Sequence[str], *, attention: str
) -> tuple[dict[str, Station], dict[str, str]]:
    """Find every tap in a loaded model; returns those found, and for the others why they cannot be shown.

    Raises:
        ParityError: no table for this family.
    """
    if family not in TAPS:
        raise ParityError(f"no taps are known for {family} in PyTorch", expected=f"one of {', '.join(TAPS)}")
    found: dict[str, Station] = {}
    absent: dict[str, str] = {}
    for tap in taps:
        layer = re.match(r"layer\.(\d+)(?=\.|$)", tap)
        k = int(layer[1]) if layer else 0
        place = TAPS[family].get(re.sub(r"^layer\.\d+", "layer.{k}", tap))
        if place is None:
            absent[tap] = "no module of the model hands it on"
        elif k >= model.config.num_hidden_layers:
            absent[tap] = f"the model has {model.config.num_hidden_layers} layers"
        elif place.only not in (None, attention):
            absent[tap] = f"only attention {place.only} computes it as a value of its own, not {attention}"
        elif place.path is not None and _module(model, place, place.path.format(k=k)) is None:
            absent[tap] = f"{type(model).__name__} has no module {place.path.format(k=k)}"
        else:
            module = _module(model, place, place.path.format(k=k)) if place.path is not None else None
            narrowed = _module(model, place, place.narrowed) if place.narrowed is not None else None
            found[tap] = Station(module, place.field, k + place.offset, place.of_head, narrowed)
    return found, absent


def _module(model: Any, place: Place, path: str) -> Any:
    found = model if place.of_head else model.base_model
    for part in path.split("."):
        found = getattr(found, part, None)
    return found
