"""The source's rules of what is a word, spelt as the `tokenizers` library reads them: normalizer and pre-tokenizer.

The library's own BertNormalizer and BertPreTokenizer are near but not the same. They carry older Unicode tables
(punctuation since Unicode 9 does not split), take private-use and unassigned characters for control characters, leave
256 ideographs of Extension E (U+2B820 to U+2B91F) unsplit, lower-case a final sigma to σ where Python says ς, and strip
accents before they lower-case. Here every set is spelt out as Python's `unicodedata` has it, which the source asks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any

from parity.inputs.normalise import IDEOGRAPHS, clean, is_punctuation
from parity.inputs.vocabulary import Casing

# Every mark, punctuation, cased and format character lies here; between are ideographs and unassigned planes.
_CODES = (range(0x20000), range(0xE0000, 0xE0200))
_LATE_DECOMPOSITIONS = ("\U00011938",)
"""Letters that Python decomposes and the library's tables, which end at Unicode 12, do not."""


def normalizer(casing: Casing) -> dict[str, Any]:
    """Delete what cannot be shown, lower-case, strip accents: in the source's order."""
    steps = [_replace(_class(lambda char: clean(char) == ""), "")]
    if casing.lower_case:
        steps += [_replace(_final_sigma(), "ς"), {"type": "Lowercase"}]
    if casing.strip_accents:
        late = ({"String": letter} for letter in _LATE_DECOMPOSITIONS)
        steps += [
            {"type": "Replace", "pattern": pattern, "content": unicodedata.normalize("NFD", pattern["String"])}
            for pattern in late
        ]
        steps += [{"type": "NFD"}, _replace(_class(lambda char: unicodedata.category(char) == "Mn"), "")]
    return {"type": "Sequence", "normalizers": steps}


def pre_tokenizer() -> dict[str, Any]:
    """Split at white space, then around every punctuation character and ideograph."""
    own = _ranges(_codes(is_punctuation)) + "".join(f"\\x{{{first:X}}}-\\x{{{last:X}}}" for first, last in IDEOGRAPHS)
    split = {"type": "Split", "pattern": {"Regex": f"[{own}]"}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, split]}


def _replace(regex: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": regex}, "content": content}


@cache
def _final_sigma() -> str:
    r"""A sigma that ends a word: after a cased letter and not before one, whatever ignorable stands between.

    Unicode 14, section 3.13, Final_Sigma; both sets are read off `str.lower`. `\K` keeps what stands before.
    """
    ignorable = _class(lambda char: _lowered(f"AΣ{char}A") == "σ" and _lowered(f"AΣ{char}") == "ς")
    cased = _class(lambda char: _lowered(f"AΣ{char}") == "σ")
    return f"{cased}{ignorable}*\\KΣ(?!{ignorable}*{cased})"


def _lowered(text: str) -> str:
    return text.lower()[1]


def _class(wanted: Callable[[str], bool]) -> str:
    return f"[{_ranges(_codes(wanted))}]"


def _codes(wanted: Callable[[str], bool]) -> Iterator[int]:
    return (code for code in chain(*_CODES) if wanted(chr(code)))


def _ranges(codes: Iterable[int]) -> str:
    r"""Ascending code points as ranges within a character class: `\x{41}-\x{5A}`."""
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return "".join(f"\\x{{{a:X}}}" + (f"-\\x{{{b:X}}}" if b > a else "") for a, b in runs)
