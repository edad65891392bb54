r"""GPT-2's original tokenizer (openai/gpt-2, src/encoder.py): text in, byte pairs and ids out.

A text is cut into words by one pattern, each word's UTF-8 bytes are spelt as 256 characters that can be seen, and those
are joined by the learnt merges. Nothing is unknown to it, nothing is added around a text, and `<|endoftext|>` within a
text is no special token there: it falls apart like any other word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

from parity.errors import ParityError, Problems
from parity.inputs.bpe import Ranks, beside, merge, read_encoder, read_merges
from parity.inputs.vocabulary import Vocabulary
from parity.inputs.wordpiece import Encoded

END = "<|endoftext|>"
"""Stands between the texts that GPT-2 was trained on; it has a row of the table and no merges."""
MERGES = ("vocab.bpe", "merges.txt")
"""Names of the second file; the later one is transformers'."""
SUFFIXES = ("s", "t", "re", "ve", "m", "ll", "d")
"""What follows an apostrophe as a word of its own, in lower case only."""
_WORD = regex.compile(rf"'(?:{'|'.join(SUFFIXES)})| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+")
_CACHED = 1 << 16
"""Words whose pieces are remembered."""


def _spelt() -> tuple[str, ...]:
    """A character for each byte: Latin-1's own where it shows, and for the others those from U+0100 on, in order."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in shown]
    return tuple(chr(byte if byte in shown else 0x100 + hidden.index(byte)) for byte in range(256))


BYTES = _spelt()


def words(text: str) -> list[str]:
    """The text in words, nothing left out: contractions, letters, numbers, other signs, white space.

    One space before a word belongs to it.
    """
    found: list[str] = _WORD.findall(text)
    return found


def spelt(word: str) -> str:
    """The word's bytes, a character each.

    Raises:
        ParityError: half a surrogate pair, which has no bytes.
    """
    try:
        return "".join(BYTES[byte] for byte in word.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ParityError(
            "half a surrogate pair in a text", got=ascii(word[error.start]), remedy="take it out"
        ) from error


@dataclass(frozen=True)
class Tokenizer:
    """The source's rules over one vocabulary and its merges.

    Args:
        vocab: the pieces.
        ranks: the merges, first learnt first.
        merges: the file they are from.
    """

    vocab: Vocabulary
    ranks: Ranks = field(repr=False)
    merges: Path
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def pad(self) -> int:
        """`<|endoftext|>`, for want of a token of its own; the last id where there is none."""
        return self.vocab.ids.get(END, len(self.vocab.tokens) - 1)

    @property
    def added(self) -> int:
        """Nothing."""
        return 0

    @property
    def pairs(self) -> bool:
        """One text is a row."""
        return False

    @property
    def lower_case(self) -> bool:
        """Never."""
        return False

    def describe(self) -> Mapping[str, Any]:
        """Kind, number of merges, and the id that padding is filled with."""
        return {"kind": "byte-level BPE", "lower_case": False, "merges": len(self.ranks), "pad": self.pad}

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, spelt in the 256 characters of `BYTES`."""
        return [piece for word in words(text) for piece in self._pieces(word)]

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize(text)`."""
        return [self.vocab.ids[piece] for piece in self.tokenize(text)]

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """The text's ids and nothing else, at most `max_length` of them; what is too long loses its end.

        Raises:
            ParityError: a pair, which the source knows no way to feed.
        """
        if pair is not None:
            raise ParityError("GPT-2 reads one text at a time", got="a pair", remedy="join them in one text")
        ids = tuple(self.ids(text)[:max_length])
        return Encoded(ids, (0,) * len(ids))

    def _pieces(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[word] = merge(spelt(word), self.ranks)
        return self._known[word]


def read(path: Path, *, size: int) -> Tokenizer:
    """The rules over an encoder.json (transformers: vocab.json) and the merges beside it.

    Args:
        path: the vocabulary.
        size: rows of the model's table.

    Raises:
        ParityError: unreadable, of another size, without a byte, or with a merge that has no id.
    """
    merges = beside(path, MERGES)
    vocab, ranks = read_encoder(path, size=size), read_merges(merges)
    problems = Problems("the vocabulary does not fit its merges", where=path)
    lacking = [byte for byte, spelling in enumerate(BYTES) if spelling not in vocab.ids]
    remedy = "use the two files of one release"
    if lacking:
        problems.add(f"no entry for byte {lacking[0]:#04x}", got=f"{256 - len(lacking)} of 256 bytes", remedy=remedy)
    nameless = [first + second for first, second in ranks if first + second not in vocab.ids]
    if nameless:
        problems.add(
            f"no id for {nameless[0]!r}, which {merges.name} makes", got=f"{len(nameless)} such", remedy=remedy
        )
    problems.raise_if_any()
    return Tokenizer(vocab, ranks, merges)
