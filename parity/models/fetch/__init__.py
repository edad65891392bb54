"""A card's published weights into the cache: resumed, compared by checksum, unpacked by name; whole or not at all."""

from __future__ import annotations

from parity.models.fetch.fetching import Fetched, fetch
from parity.models.fetch.plan import Line, outline
from parity.models.fetch.resume import Watch

__all__ = ["Fetched", "Line", "Watch", "fetch", "outline"]
