"""What happens to a text before XLNet's sentencepiece model cuts it, spelt as the `tokenizers` library reads it.

The library's own steps are near but not the same: its `StripAccents` takes marks that Python does not count as
combining, its `Precompiled` looks at clusters of characters where sentencepiece looks for the longest match, and
its `Metaspace` adds no space before a text that begins with the sign for one. Here every set is spelt out as Python's
`unicodedata` and the model's own rules have it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any

from parity.inputs.sentencepieces import SPACE

# Everything that some rule changes lies here; between are ideographs and unassigned planes.
_CODES = (range(1, 0xD800), range(0xE000, 0x20000), range(0xE0000, 0xE0200))
# Letters whose decompositions are younger than the library's tables, which end at Unicode 12.0.
_LATE = ((0x32FF, 0x32FF), (0xA7F1, 0xA7F4), (0xAB69, 0xAB69), (0x105C9, 0x105E4), (0x10781, 0x107BA))
_LATER = ((0x11938, 0x11938), (0x1E030, 0x1E06D), (0x1F16C, 0x1F16C), (0x1FBF0, 0x1FBF9))
_HANGUL = "\uac00"
"""A syllable that stands for all that is put together again."""


def normalizer(processor: Any) -> dict[str, Any]:
    """The source's own steps, then those of the model.

    Args:
        processor: sentencepiece's, over that model.
    """
    steps = [
        _replace(_class(code for code in _codes() if chr(code).isspace()) + "+", " "),
        _replace(r"\A | \z", ""),
        {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
        {"type": "Replace", "pattern": {"String": "''"}, "content": '"'},
        *({"type": "Replace", "pattern": {"String": char}, "content": _plain(char)} for char in _late()),
        {"type": "NFKD"},
        _replace(_class(code for code in _codes() if unicodedata.combining(chr(code))), ""),
        *_of_model(processor),
        # To sentencepiece a literal sign for a space is one.
        _replace(f"[ {SPACE}]+", " "),
        _replace(r"\A | \z", ""),
        {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        {"type": "Prepend", "prepend": SPACE},
    ]
    return {"type": "Sequence", "normalizers": steps}


def _of_model(processor: Any) -> list[dict[str, Any]]:
    """What the model's compiled rules do to single characters that are left, told by asking the model for each."""
    stable = [char for char in map(chr, _codes()) if _is_plain(char)]
    changed: dict[str, list[int]] = {}
    for char, answer in zip(stable, processor.normalize([f"x{char}x" for char in stable]), strict=True):
        # In front stands the sign for a space, which also is what a space has become.
        content = answer[2:-1].replace(SPACE, " ")
        if content not in (char, char.replace(SPACE, " ")):
            changed.setdefault(content, []).append(ord(char))
    together: list[dict[str, Any]] = []
    if processor.normalize(unicodedata.normalize("NFD", _HANGUL)) == SPACE + _HANGUL:
        together.append({"type": "NFC"})
        for char in _late():
            apart = unicodedata.normalize("NFD", char)
            if apart != char and unicodedata.normalize("NFC", apart) == char:
                together.append({"type": "Replace", "pattern": {"String": apart}, "content": char})
    return [*together, *(_replace(_class(codes), content) for content, codes in changed.items())]


def _plain(char: str) -> str:
    return unicodedata.normalize("NFKD", char)


def _is_plain(char: str) -> bool:
    return _plain(char) == char and not unicodedata.combining(char)


def _late() -> Iterator[str]:
    codes = chain(*(range(first, last + 1) for first, last in (*_LATE, *_LATER)))
    return (char for char in map(chr, codes) if _plain(char) != char)


def _codes() -> Iterator[int]:
    return chain(*_CODES)


def _replace(regex: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": regex}, "content": content}


def _class(codes: Iterable[int]) -> str:
    return f"[{_ranges(tuple(codes))}]"


@cache
def _ranges(codes: tuple[int, ...]) -> str:
    r"""Ascending code points as ranges within a character class: `\x{41}-\x{5A}`."""
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return "".join(f"\\x{{{a:X}}}" + (f"-\\x{{{b:X}}}" if b > a else "") for a, b in runs)
