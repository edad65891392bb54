"""Texts cut to a number of word pieces, so that the text itself, tokenized anywhere, gives the very same pieces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from parity.inputs.normalise import IDEOGRAPHS
from parity.inputs.tokenizers import Rules
from parity.inputs.vocabulary import UNKNOWN

_HAN = "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPHS)
# White space that cleaning deletes is no boundary: the words at its two sides become one.
_BLANK = r"[^\S\x0b\x0c\x1c-\x1f\x85]"
_UNIT = re.compile(rf"{_BLANK}*(?:[{_HAN}]|(?:(?!{_BLANK})[^{_HAN}])+)")
_FILLER = "."


@dataclass(frozen=True)
class Passages:
    """Numbered texts that wrap around, cut to fit."""

    tokenizer: Rules
    texts: Sequence[str]

    def text(self, number: int, limit: int) -> str:
        """The longest beginning of that text, in whole words or ideographs, of at most `limit` pieces.

        Where not even its first word fits, as many of that word's characters as do.
        """
        text = self.texts[number % len(self.texts)]
        room, end = limit, 0
        for unit in _UNIT.finditer(text):
            room -= self._pieces(unit.group())
            if room < 0:
                return text[:end] if end else self._characters(unit.group(), limit)
            end = unit.end()
        return text

    def passage(self, number: int, limit: int) -> str:
        """Texts from that number on, joined by spaces, of `limit` pieces; full stops fill the rest.

        Exactly so many where pieces never hold spaces, else at least.
        """
        parts: list[str] = []
        room = limit
        while used := self._pieces(part := self.text(number + len(parts), room)):
            parts.append(part)
            room -= used
        text = " ".join([*parts, *[_FILLER] * room])
        # Where a piece may hold the space before a word, words joined are not as many pieces as they are apart.
        while self._pieces(text) < limit:
            text += f" {_FILLER}"
        return text

    def single_piece(self, number: int) -> str:
        """The first word of that text that is one piece and known; a full stop if there is none."""
        text = self.texts[number % len(self.texts)]
        units = (unit.group().strip() for unit in _UNIT.finditer(text))
        return next((unit for unit in units if self._is_known_piece(unit)), _FILLER)

    def _is_known_piece(self, unit: str) -> bool:
        pieces = self.tokenizer.tokenize(unit)
        return len(pieces) == 1 and pieces[0] != UNKNOWN

    def _pieces(self, text: str) -> int:
        return len(self.tokenizer.tokenize(text))

    def _characters(self, word: str, limit: int) -> str:
        beginnings = (word.lstrip()[:size] for size in range(min(len(word), limit), 0, -1))
        return next((text for text in beginnings if self._pieces(text) <= limit), "")
