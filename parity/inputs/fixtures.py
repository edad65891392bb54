"""Where the data that ships with the package lies: `fixtures/` in a checkout, `parity.fixtures` when installed."""

from __future__ import annotations

from pathlib import Path

import parity
from parity.errors import ParityError


def fixtures_root() -> Path:
    """The folder that holds `corpora/` and `models/`.

    Raises:
        ParityError: neither the installed package nor the checkout has it.
    """
    return _shipped("fixtures", holds="corpora")


def suites_root() -> Path:
    """The folder of the parity questions.

    Raises:
        ParityError: neither the installed package nor the checkout has it.
    """
    return _shipped("suites", holds="test_hidden_states.py")


def _shipped(name: str, *, holds: str) -> Path:
    package = Path(parity.__file__).resolve().parent
    places = (package / name, package.parent / name)
    for place in places:
        if (place / holds).exists():
            return place
    raise ParityError(
        "the package's own data is missing",
        where=package,
        expected=" or ".join(str(place) for place in places),
        remedy="install parity again",
    )
