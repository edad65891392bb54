"""What `parity models` shows of a card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parity.models.sources import located
from parity.models.standin import blueprint

if TYPE_CHECKING:
    from parity.models.schema import Card


@dataclass(frozen=True)
class Listing:
    """One line of the listing. `parameters` counts the published head, too; `weights` is their folder, if any."""

    name: str
    title: str
    family: str
    layers: int
    hidden_size: int
    heads: int
    vocabulary: int
    parameters: int
    casing: str
    activation: str
    licence: str
    weights: Path | None


def describe(card: Card) -> Listing:
    """Size, casing and whereabouts of a card's model; reads no weights.

    Raises:
        ParityError: `$PARITY_MODELS` names no folder.
    """
    published = blueprint(card)
    config = published.config
    return Listing(
        name=card.name,
        title=card.title,
        family=card.family,
        layers=config.layers,
        hidden_size=config.hidden_size,
        heads=config.heads,
        vocabulary=config.vocab_size,
        parameters=sum(math.prod(variable.shape) for variable in published.variables),
        casing=_CASING[card.casing.lower_case, card.casing.strip_accents] if card.casing else "cased",
        activation=_activation(card, config.activation),
        licence=card.licence.id,
        weights=located(card),
    )


def _activation(card: Card, computed: str) -> str:
    if card.activation is None:
        return computed.removeprefix("gelu_")
    return card.activation.function + ("" if card.activation.certainty == "known" else " (assumed)")


_CASING = {
    (True, True): "uncased",
    (True, False): "uncased, accents kept",
    (False, False): "cased",
    (False, True): "cased, accents stripped",
}
