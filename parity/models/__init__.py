"""Which published model is meant, where are its files, what stands in for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.models.cache import build_once, cache_limit, cache_root, evict, use
from parity.models.library import card, card_names
from parity.models.listing import Listing, describe
from parity.models.shapes import Scale
from parity.models.sources import Source, resolve
from parity.models.standin import build_stand_in

if TYPE_CHECKING:
    from parity.models.schema import Card

__all__ = [
    "Card",
    "Listing",
    "Scale",
    "Source",
    "build_once",
    "build_stand_in",
    "cache_limit",
    "cache_root",
    "card",
    "card_names",
    "describe",
    "evict",
    "resolve",
    "use",
]


def __getattr__(name: str) -> type:
    # pydantic is imported by whoever opens a card, not by whoever asks for names.
    if name == "Card":
        from parity.models.schema import Card

        return Card
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
