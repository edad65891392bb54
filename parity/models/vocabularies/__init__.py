"""Vocabularies of stand-ins, in the source's own files: one module per kind of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path

KINDS: Mapping[str, str] = {
    "byte-bpe": "parity.models.vocabularies.byte_bpe",
    "bpe": "parity.models.vocabularies.gpt_bpe",
    "words": "parity.models.vocabularies.words",
    "sentencepiece": "parity.models.vocabularies.sentencepieces",
}
"""Modules with `write(folder, texts, *, size, special)`; WordPiece needs a card's casing, too (`models.vocabulary`)."""


def write_vocabulary(kind: str, folder: Path, texts: Iterable[str], *, size: int, special: Mapping[str, int]) -> None:
    """Write a vocabulary of `size` pieces, made from the texts; the same for the same arguments."""
    write: Callable[..., None] = import_module(KINDS[kind]).write
    write(folder, texts, size=size, special=special)
