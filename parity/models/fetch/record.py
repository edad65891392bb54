"""Checksums of what was fetched before, in a small file beside the cache's models; it outlives their eviction."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.models.cache import cache_root

_MAX = 1 << 20


def record_file(model: str) -> Path:
    """Where the checksums of this model's files are kept."""
    return cache_root() / "models" / f".{model}.checksums.json"


def recorded(model: str) -> dict[str, str]:
    """SHA-256 by file as first fetched; empty before that.

    Raises:
        ParityError: the record is damaged; it is not passed over, as then nothing would be compared.
    """
    path = record_file(model)
    try:
        said: Any = json.loads(path.read_text("utf-8")) if path.stat().st_size <= _MAX else None
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not all(
        isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) for value in said.values()
    ):
        raise ParityError(
            "not a record of checksums", where=path, remedy="delete it; files are then taken as they come"
        )
    return said


def record(model: str, found: dict[str, str]) -> None:
    """Add checksums to the record; it is replaced as a whole."""
    path = record_file(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps({**recorded(model), **found}, indent=1, sort_keys=True) + "\n", "utf-8")
    fresh.replace(path)
