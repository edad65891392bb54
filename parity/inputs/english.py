r"""How OpenAI GPT cut English text into words, as a list of replacements that two engines of regular expressions share.

The original (openai/finetune-transformer-lm, text_utils.py) mends the text with ftfy, sets punctuation apart, and asks
spaCy's English tokenizer of 2018 for words. No version of either was pinned. Written here are their rules for text as
people write it: what ftfy does to single characters, what text_standardize does, and of spaCy the signs that it takes
off a word's ends, its contractions, its abbreviations and its units. Left as they are: text in a wrong encoding and
HTML entities, which ftfy mends; spaCy's emoticons of letters and its contractions in capitals (`DON'T`).

Every step replaces what a pattern matches by a fixed text. Words are cut by putting in spaces where nothing stood. The
patterns hold to what Python's `regex` and Oniguruma (the library `tokenizers`) understand alike, classes spelt out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

import regex

from parity.inputs.english_words import (
    ABBREVIATIONS,
    CONTROLS,
    CUT,
    DOUBLE,
    ENDLESS,
    ENDS,
    FIRST,
    HEADLESS,
    HOSTS,
    LIGATURES,
    LINES,
    RUNS,
    SINGLE,
    UNITS,
    WORDS,
)

Step = tuple[str, str]
"""A pattern, and what replaces each of its matches."""
SPACE = "\\x09-\\x0D\\x1C-\\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space as Python's `str.split` has it, within a class."""
BLANK = "[" + SPACE.replace("\\x09-\\x0D", "\\x09\\x0B-\\x0D") + "]"
"""White space but for the line feed, which is a word."""
_THRICE = 3
"""How many signs are taken off either end of a word, one after the other."""


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(
        regex.escape(word, literal_spaces=True) for word in sorted(words, key=lambda word: (-len(word), word))
    )


def _titled(words: Iterable[str]) -> list[str]:
    return sorted({form for word in words for form in (word, word[:1].upper() + word[1:])})


def _whole(words: Iterable[str]) -> str:
    """Look-behind: one of the words stands here from a word's beginning on."""
    return "|".join(f"{start}{_alternatives([word])}" for word in words for start in (r"\A", f"[{SPACE}]"))


@cache
def _letters(upper: bool) -> str:
    """Letters that are capitals, or are not, of the scripts that spaCy's rules for the full stop know."""
    wanted = {"Lu", "Lt"} if upper else {"Ll", "Lo", "Lm"}
    return ranges(code for code in range(0xD7A4) if unicodedata.category(chr(code)) in wanted)


def ranges(codes: Iterable[int]) -> str:
    """Ascending code points, none of them ASCII punctuation, as ranges within a character class: `A-Z`."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(chr(a) + (f"-{chr(b)}" if b > a else "") for a, b in runs)


_END = f"(?![^{SPACE}])"
_FILLED = f"[^{SPACE}]"


def _mended() -> Iterator[Step]:
    """What ftfy does to single characters; the normal form NFC comes last of it."""
    yield LINES, "\n"
    yield CONTROLS, ""
    yield from LIGATURES.items()
    for code in range(0xFF01, 0xFF5F):
        yield chr(code), chr(code - 0xFEE0)
    yield "[\u02bc\u2018-\u201b]", "'"
    yield "[\u201c-\u201f]", '"'
    # Composed by Python's tables, and not yet by the library's.
    yield "\U00011935\U00011930", "\U00011938"


def _standardised() -> Iterator[Step]:
    yield "[—–―]", "-"
    yield "…", "..."
    yield "´", "'"
    for sign in RUNS:
        yield f"(?<!{sign})(?={sign})|(?<={sign})(?!{sign})", " "
    yield f"[{SPACE}]*\\n[{SPACE}]*", " \n "
    yield f"\\A[{SPACE}]+|[{SPACE}]+(?!{_FILLED}|[{SPACE}])", ""


def _cut() -> Iterator[Step]:
    """What spaCy does to what stands between spaces."""
    lower, upper = _letters(False), _letters(True)
    # Between signs and letters wherever they stand.
    yield f"(?<=[{SINGLE}])(?=[{SINGLE}])", " "
    yield f"(?<=[^.{SPACE}])(?=\\.\\.)|(?<=\\.\\.)(?=[^.{SPACE}])", " "
    yield f"(?<=[{_icons()}])(?={_FILLED})|(?<={_FILLED})(?=[{_icons()}])", " "
    for _ in range(_THRICE):
        kept = f"(?!(?:{_alternatives(HEADLESS)}){_END}|'(?!'))"
        yield f"(?<=\\A'|[{SPACE}]'){kept}(?={_FILLED})", " "
        plain = FIRST.replace("'", "")
        yield f"(?<=\\A[{plain}]|[{SPACE}][{plain}])(?={_FILLED})", " "
    endless, short = _whole(_titled(ENDLESS)), _whole([*ABBREVIATIONS, *"abcdefghijklmnopqrstuvwxyzäöü"])
    plain = ENDS.replace("'", "")
    for _ in range(_THRICE):
        # Two apostrophes together are one sign.
        yield f"(?<=[^'{SPACE}])(?<!{endless})(?=''?{_END})|(?<=')(?=''{_END})", " "
        yield f"(?<={_FILLED})(?=(?:[{plain}]|'[sS]){_END})", " "
        yield f"(?<=[0-9])(?=(?:{_alternatives(UNITS)}){_END})", " "
        yield f"(?<=[0-9{lower}{plain}%²'\\-]|[{upper}][{upper}])(?<!{short})(?=\\.{_END})", " "
    yield f"(?<=[{lower}])(?=\\.[{upper}])", " "
    yield f"(?<=[{lower}{SPACE}]\\.)(?=[{upper}])", " "
    yield f"(?<=[0-9{lower}{upper}])(?=[:<>=][{lower}{upper}])", " "
    yield f"(?<=[0-9{lower}{upper}{SPACE}][:<>=])(?=[{lower}{upper}])", " "
    yield from _contractions()
    yield f"(?<=\\A[0-9]|\\A1[0-2]|[{SPACE}][0-9]|[{SPACE}]1[0-2])(?=(?:am|pm|a\\.m\\.|p\\.m\\.){_END})", " "


def _contractions() -> Iterator[Step]:
    for tail, hosts in HOSTS.items():
        bare = tail.replace("'", "")
        longer = [whole.replace(tail, "", 1) for whole in DOUBLE if whole.startswith(tail)]
        yield (
            f"(?<={_whole(_titled(hosts))})(?={tail}(?:{_alternatives(longer)})?{_END})"
            if longer
            else (f"(?<={_whole(_titled(hosts))})(?={tail}{_END})"),
            " ",
        )
        loose = [host for host in hosts if host + bare not in WORDS]
        yield f"(?<={_whole(_titled(loose))})(?={bare}{_END})", " "
    yield f"(?<=[{SPACE}](?:n't|'ll))(?='ve{_END})|(?<=[{SPACE}]'d)(?='ve{_END})", " "
    for word, at in CUT.items():
        yield f"(?<={_whole(_titled([word[:at]]))})(?={word[at:]}{_END})", " "


@cache
def _icons() -> str:
    """Symbols such as ©, the sign of degrees, and most emoji."""
    return ranges(
        code for code in (*range(0x80, 0xD800), *range(0x1F000, 0x1FB00)) if unicodedata.category(chr(code)) == "So"
    )


@cache
def mending() -> tuple[Step, ...]:
    """Steps before the text is put into normal form NFC."""
    return tuple(_mended())


@cache
def cutting() -> tuple[Step, ...]:
    """Steps after that; what stands between white space is a word then, and so is every line end."""
    return (*_standardised(), *_cut())


@cache
def _compiled(step: Step) -> tuple[regex.Pattern[str], str]:
    return regex.compile(step[0]), step[1]


def _apply(steps: Iterable[Step], text: str) -> str:
    for step in steps:
        pattern, content = _compiled(step)
        text = pattern.sub(lambda match, content=content: content, text)
    return text


def words(text: str) -> list[str]:
    r"""The words of a text in lower case, punctuation apart; a line's end within it is the word `\n`."""
    mended = unicodedata.normalize("NFC", _apply(mending(), text))
    found = _apply(cutting(), mended).lower()
    # A line's end stands between spaces by now.
    return [word for word in regex.split(f"{BLANK}+", found) if word]
