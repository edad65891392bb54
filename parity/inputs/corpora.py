"""The sentences that ship with the package: written for it, one a line, about sixty in each file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import chain
from types import MappingProxyType

from parity.inputs.fixtures import fixtures_root
from parity.inputs.textfiles import read_texts

CORPORA = ("ru", "da", "en", "zh", "mixed")


@cache
def corpora() -> Mapping[str, tuple[str, ...]]:
    """Every corpus by name, in the order of `CORPORA`.

    Raises:
        ParityError: a file is missing or unreadable.
    """
    folder = fixtures_root() / "corpora"
    return MappingProxyType({name: read_texts(folder / f"{name}.txt") for name in CORPORA})


def sentences() -> tuple[str, ...]:
    """All sentences, the languages taking turns, so that any few neighbours mix scripts."""
    return tuple(chain.from_iterable(zip(*corpora().values(), strict=True)))
