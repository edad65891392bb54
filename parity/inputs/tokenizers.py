"""What every source's tokenizer rules look like, and the table of those that are known."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from parity.inputs.vocabulary import Vocabulary
from parity.inputs.wordpiece import Encoded


class Rules(Protocol):
    """How a source reads text into ids, over one vocabulary."""

    @property
    def vocab(self) -> Vocabulary:
        """The pieces in id order."""

    @property
    def pad(self) -> int:
        """The id that fills padding."""

    @property
    def added(self) -> int:
        """How many ids `encode` puts around one text."""

    @property
    def pairs(self) -> bool:
        """Does the source feed two texts as one row?"""

    @property
    def lower_case(self) -> bool:
        """Is text lower-cased first?"""

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, no special tokens added."""

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize(text)`."""

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """A row as the source feeds it, of at most `max_length` ids.

        Raises:
            ParityError: `max_length` leaves no room for the special tokens.
        """

    def describe(self) -> Mapping[str, Any]:
        """What a proof records of the rules."""


KINDS: Mapping[str, str] = {
    "wordpiece": "parity.inputs.wordpiece",
    "byte-bpe": "parity.inputs.byte_bpe",
    "bpe": "parity.inputs.gpt_bpe",
    "words": "parity.inputs.words",
    "sentencepiece": "parity.inputs.sentencepieces",
}
"""Modules with `read(path, *, size) -> Rules`: the first file of a vocabulary, and the rows of the model's table."""


def read_rules(kind: str, path: Path, *, size: int) -> Rules:
    """The rules of that kind over the vocabulary at `path`.

    Args:
        kind: a key of `KINDS`.
        path: the first of the vocabulary's files; the others lie beside it.
        size: rows of the model's embedding table.

    Raises:
        ParityError: unreadable, or no vocabulary of such a model.
    """
    read: Callable[..., Rules] = importlib.import_module(KINDS[kind]).read
    return read(path, size=size)
