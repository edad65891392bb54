"""The cards that ship with the house, found by name; one is read only when it is asked for."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import ParityError, Problems
from parity.inputs.fixtures import fixtures_root

if TYPE_CHECKING:
    from parity.models.schema import Card


@cache
def card_names() -> tuple[str, ...]:
    """Names of all cards, sorted; reads the folder, no card."""
    return tuple(sorted(path.stem for path in (fixtures_root() / "models").glob("*.toml")))


@cache
def card(name: str) -> Card:
    """The card of that name.

    Raises:
        ParityError: there is no such card (the nearest name is offered), or its file breaks the schema.
    """
    if name not in card_names():
        raise ParityError(
            f"no model card named {name}", expected=f"one of {', '.join(card_names())}", remedy=nearest(name)
        )
    return read_card(fixtures_root() / "models" / f"{name}.toml")


def nearest(name: str) -> str:
    """What to do about a name that no card has: the closest one, or the list of all."""
    close = difflib.get_close_matches(name.lower(), card_names(), n=1)
    return f"did you mean {close[0]}?" if close else "run `parity models`"


def read_card(path: Path) -> Card:
    """Read and check one card file.

    Raises:
        ParityError: not TOML, named otherwise than its file, or against the schema; all problems at once.
    """
    # pydantic costs more to import than all else here: only who opens a card pays for it.
    from pydantic import ValidationError

    from parity.models.schema import Card

    try:
        found = Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ParityError(f"not TOML: {error}", where=path) from error
    except ValidationError as error:
        problems = Problems("this model card breaks the schema", where=path)
        for entry in error.errors():
            problems.add(f"{'.'.join(map(str, entry['loc'])) or 'card'}: {entry['msg']}")
        problems.raise_if_any()
        raise
    if found.name != path.stem:
        raise ParityError("a card is named like its file", where=path, got=found.name, expected=path.stem)
    return found
