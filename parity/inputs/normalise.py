"""How the original BERT turns text into words, before any vocabulary is asked.

The rules are those of google-research/bert, tokenization.py at its last commit (eedf571): drop what cannot be shown,
set ideographs apart, split at white space, then word by word lower-case, strip accents, set punctuation apart. There,
lower-casing and stripping are one switch; here they are two, because BotXO's Danish model lower-cases and keeps å.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

IDEOGRAPHS = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""First and last code point of each block that is written without spaces; kana and hangul are not among them."""

_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class _Lazy(dict[int, str]):
    """A table for `str.translate` that decides about a character when it first meets it."""

    def __init__(self, decide: Callable[[str], str]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, code: int) -> str:
        self[code] = decision = self._decide(chr(code))
        return decision


def _cleaned(char: str) -> str:
    if char in "\t\n\r":
        return " "
    category = unicodedata.category(char)
    if char in "\0\ufffd" or category in ("Cc", "Cf"):
        return ""
    return " " if category == "Zs" else char


def is_punctuation(char: str) -> bool:
    """Whether a character is a word of its own for the source because it is punctuation."""
    # All of ASCII that is neither letter, digit nor space counts, also what Unicode files under symbols: $ + ~
    return char in _ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


def is_ideograph(char: str) -> bool:
    """Whether a character is a word of its own because its script puts no spaces."""
    return any(first <= ord(char) <= last for first, last in IDEOGRAPHS)


_CLEAN = _Lazy(_cleaned)
_SPACED_IDEOGRAPHS = _Lazy(lambda char: f" {char} " if is_ideograph(char) else char)
_SPACED_PUNCTUATION = _Lazy(lambda char: f" {char} " if is_punctuation(char) else char)


def clean(text: str) -> str:
    r"""The text without NUL, U+FFFD and control or format characters; each of `\t \n \r` and category Zs a space."""
    return text.translate(_CLEAN)


def without_accents(text: str) -> str:
    """The text in NFD, less every non-spacing mark: й becomes и, å becomes a, ø stays."""
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


def words(text: str, *, lower_case: bool, strip_accents: bool) -> list[str]:
    """The words and single punctuation characters of a text, in order; none of them empty or holding white space."""
    found: list[str] = []
    for word in clean(text).translate(_SPACED_IDEOGRAPHS).split():
        lowered = word.lower() if lower_case else word
        bare = without_accents(lowered) if strip_accents else lowered
        found += bare.translate(_SPACED_PUNCTUATION).split()
    return found
