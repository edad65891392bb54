"""What a verdict leaves in JUnit XML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.report.text import visible

FIELDS = ("model", "backend", "precision", "question", "tap", "status", "value", "limit", "message")


def junit_properties(verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A verdict event as properties `parity.<field>` and `parity.worst.<field>`; absent ones are left out."""
    worst = verdict.get("worst") or {}
    fields = [(f"parity.{name}", verdict.get(name)) for name in FIELDS]
    fields += [(f"parity.worst.{name}", value) for name, value in worst.items()]
    return [(name, str(visible(str(value)))) for name, value in fields if value is not None]
