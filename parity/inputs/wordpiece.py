"""The original BERT tokenizer (google-research/bert, tokenization.py): text in, word pieces and ids out.

`[CLS]`, `[MASK]` and their like are not special in a text, as there: they fall apart at the brackets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.inputs.normalise import words
from parity.inputs.vocabulary import (
    BETWEEN,
    CONTINUES,
    FIRST,
    UNKNOWN,
    Casing,
    Vocabulary,
    check_vocab,
    guess_casing,
    missing_tokens,
    read_vocab,
)

__all__ = ["Casing", "Encoded", "Tokenizer", "Vocabulary", "check_vocab", "guess_casing", "read_vocab"]


@dataclass(frozen=True)
class Encoded:
    """One row without padding: ids, and per position 0 for the first text, 1 for the second."""

    input_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...]


@dataclass(frozen=True)
class Tokenizer:
    """The source's rules over one vocabulary.

    Args:
        vocab: the pieces.
        lower_case: lower-case every word first.
        strip_accents: drop accents after that; the source does both or neither.
        longest_word: words of more characters become `[UNK]`.
        evidence: what says which casing it is.

    Raises:
        ParityError: the vocabulary lacks `[UNK]`, `[CLS]` or `[SEP]`.
    """

    vocab: Vocabulary
    lower_case: bool = field(kw_only=True)
    strip_accents: bool = field(kw_only=True)
    longest_word: int = field(default=200, kw_only=True)
    evidence: str = field(default="given", kw_only=True)

    def __post_init__(self) -> None:
        missing = missing_tokens(self.vocab, (UNKNOWN, FIRST, BETWEEN))
        if missing:
            what = f"no {', '.join(missing)} in the vocabulary"
            raise ParityError(what, where=self.vocab.path, remedy="use the model's own vocab.txt")

    @property
    def pad(self) -> int:
        """`[PAD]`, or 0 where the vocabulary has none."""
        return self.vocab.ids.get("[PAD]", 0)

    @property
    def added(self) -> int:
        """`[CLS]` and `[SEP]`."""
        return 2

    @property
    def pairs(self) -> bool:
        """Two texts make one row."""
        return True

    def describe(self) -> Mapping[str, Any]:
        """Casing, and what says so."""
        return {"lower_case": self.lower_case, "strip_accents": self.strip_accents, "evidence": self.evidence}

    def tokenize(self, text: str) -> list[str]:
        """The word pieces of a text, no special tokens added."""
        found = words(text, lower_case=self.lower_case, strip_accents=self.strip_accents)
        return [piece for word in found for piece in self._pieces(word)]

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize(text)`."""
        return [self.vocab.ids[piece] for piece in self.tokenize(text)]

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """`[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]`, of at most `max_length` ids.

        What is too long loses pieces at its end; of a pair the longer text does, the second if both are equal.

        Raises:
            ParityError: `max_length` leaves no room for the special tokens.
        """
        first, second = self.ids(text), self.ids(pair) if pair is not None else []
        room = max_length - (2 if pair is None else 3)
        if room < 0:
            raise ParityError("no room for [CLS] and [SEP]", got=max_length, expected=max_length - room)
        while len(first) + len(second) > room:
            (first if len(first) > len(second) else second).pop()
        start, end = self.vocab.ids[FIRST], self.vocab.ids[BETWEEN]
        head = (start, *first, end)
        tail = () if pair is None else (*second, end)
        return Encoded(head + tail, (0,) * len(head) + (1,) * len(tail))

    def _pieces(self, word: str) -> list[str]:
        if len(word) > self.longest_word:
            return [UNKNOWN]
        found: list[str] = []
        start = 0
        while start < len(word):
            prefix = CONTINUES if start else ""
            for end in range(len(word), start, -1):
                piece = prefix + word[start:end]
                if piece in self.vocab.ids:
                    break
            else:
                return [UNKNOWN]
            found.append(piece)
            start = end
        return found


def read(path: Path, *, size: int) -> Tokenizer:
    """The rules over a vocab.txt, casing read off its pieces.

    Raises:
        ParityError: unreadable, of another size than the model's table, or without the special tokens.
    """
    vocab = read_vocab(path)
    check_vocab(vocab, size)
    return of_casing(vocab, guess_casing(vocab))


def of_casing(vocab: Vocabulary, casing: Casing) -> Tokenizer:
    """The rules over a vocabulary in a casing."""
    return Tokenizer(vocab, lower_case=casing.lower_case, strip_accents=casing.strip_accents, evidence=casing.evidence)
