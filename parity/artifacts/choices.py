"""What a user may decide about a source, and the JSON that the rest is read from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import ParityError

_MAX_CONFIG = 1 << 20


@dataclass(frozen=True)
class Choices:
    """What a user may decide about a source; None leaves it to the card, the checkpoint, or a stated assumption."""

    family: str | None = None
    head: str | None = None
    activation: str | None = None
    lower_case: bool | None = None
    strip_accents: bool | None = None
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    tokenizer: bool = True
    """False: the weights alone are wanted, there is no vocabulary."""
    said: tuple[str, ...] = ()
    """What whoever made these choices has to say of them; the proof repeats it among its assumptions."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of sane size.

    Raises:
        ParityError: unreadable, too large, not JSON, or not an object.
    """
    remedy = "name the config that was published with the checkpoint (--config FILE)"
    try:
        if path.stat().st_size > _MAX_CONFIG:
            raise ParityError("too large for a config", where=path, got=f"{path.stat().st_size} bytes", remedy=remedy)
        value = json.loads(path.read_text(encoding="utf-8"))
        # Half a surrogate pair can be escaped in JSON, but never be written again.
        json.dumps(value, ensure_ascii=False).encode()
    except OSError as error:
        raise ParityError(f"cannot read the config: {error.strerror}", where=path, remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise ParityError(f"the config is not JSON: {error}", where=path, remedy=remedy) from error
    if not isinstance(value, dict):
        raise ParityError("the config is not a JSON object", where=path, got=type(value).__name__, remedy=remedy)
    return value


def overrides(settings: Mapping[str, str]) -> dict[str, Any]:
    """`--set KEY=VALUE` as JSON values; what is no JSON is a string."""
    values: dict[str, Any] = {}
    for key, text in settings.items():
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    return values
