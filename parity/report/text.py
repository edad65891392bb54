"""Numbers and foreign text as people read them. Text from outside is shown, never obeyed."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any, NamedTuple

from markupsafe import Markup, escape

_CONTINUES = "##"
_TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_KEPT = frozenset("\n\t\u00a0\u202f\u200c\u200d")  # layout, and the joiners that emoji and Persian are written with


def visible(value: Any) -> Any:
    """Spell out characters that are invisible or change the text around them (controls, direction overrides, U+2028).

    The last step before escaping for every value a template prints; what is already markup passes untouched.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in _KEPT else f"⟨U+{ord(c):04X}⟩" for c in value)


def plain(value: str) -> str:
    """A program's output without its terminal colours."""
    return _TERMINAL_COLOURS.sub("", value)


def markdown(value: object) -> str:
    """One line of literal Markdown text: no markup, no table cell, no HTML of its own."""
    text = " ".join(str(visible(str(value))).split())
    text = re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(value: str) -> Markup:
    """A message whose `quoted` parts are commands."""
    parts = [escape(visible(part)) for part in value.split("`")]
    if len(parts) % 2 == 0:  # a lone backtick quotes nothing
        return escape(visible(value))
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


class Piece(NamedTuple):
    """A stretch of text, marked if it is what one should look at."""

    text: str
    marked: bool


def excerpt(text: str, token: str | None, *, width: int = 180) -> list[Piece]:
    """The text around the places a word piece can come from, at most about `width` characters, places marked."""
    places = occurrences(text, token) if token else []
    first = places[0][0] if places else 0
    start = max(0, min(first - width // 2, len(text) - width))
    end = min(len(text), start + width)
    pieces = [Piece("…", False)] if start else []
    for begin, stop in places:
        if begin >= end:
            break
        pieces += [Piece(text[start:begin], False), Piece(text[begin : min(stop, end)], True)]
        start = min(stop, end)
    pieces.append(Piece(text[start:end], False))
    if end < len(text):
        pieces.append(Piece("…", False))
    return [piece for piece in pieces if piece.text]


def occurrences(text: str, token: str) -> list[tuple[int, int]]:
    """Where a word piece (`##` = inside a word) can come from, whatever the case and accents; start and end indices."""
    folded = [(c, index) for index, char in enumerate(text) for c in _fold(char)]
    flat = "".join(c for c, _ in folded)
    continues = token.startswith(_CONTINUES) and token != _CONTINUES
    wanted = "".join(_fold(c) for c in (token.removeprefix(_CONTINUES) if continues else token))
    found = []
    at = flat.find(wanted) if wanted else -1
    while at >= 0:
        if continues == (at > 0 and _in_one_word(flat[at - 1], flat[at])):
            found.append((folded[at][1], folded[at + len(wanted) - 1][1] + 1))
        at = flat.find(wanted, at + len(wanted))
    return found


def _in_one_word(left: str, right: str) -> bool:
    """Ideographs are words by themselves."""
    return all(c.isalnum() and not unicodedata.name(c, "").startswith("CJK") for c in (left, right))


def _fold(char: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", char) if not unicodedata.combining(c)).casefold()


def number(value: object) -> float | None:
    """A number as a float, anything else (a missing metric, a truth value) as None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def ratio(value: float | None) -> str:
    """A ratio in the width of a heatmap cell: 0.98, 12.3, 953, 4.2e5."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞"
    steps = ((9.995, ".2f"), (99.95, ".1f"), (9999.5, ".0f"))
    form = next((form for limit, form in steps if abs(value) < limit), ".1e")
    return f"{value:{form}}".replace("e+0", "e").replace("e+", "e")


def sci(value: float | None) -> str:
    """A deviation: 3.6e-07 as 3.60e-7."""
    if value is None or not math.isfinite(value):
        return ratio(value)
    return "0" if value == 0 else f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return "–"
    if value < 119.5:
        return f"{value:.{0 if value >= 99.5 else 1 if value >= 0.95 else 2}f} s"
    value = round(value)
    return f"{int(value // 60)} min {int(value % 60):02d} s"


def moment(value: str) -> str:
    """An ISO time as people write it; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at.tzinfo else f"{at:%Y-%m-%d %H:%M}"


def exact(value: object) -> str:
    """A float32 with all the digits it has."""
    known = number(value)
    return str(value) if known is None else f"{known:.9g}"


def size(value: float | None) -> str:
    """Bytes, in decimal units."""
    if value is None:
        return "–"
    power = next((power for power in (9, 6, 3) if value >= 10**power), 0)
    return f"{value / 10**power:.{1 if power == 9 else 0}f} {({9: 'GB', 6: 'MB', 3: 'kB', 0: 'B'})[power]}"


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return "–" if value is None else f"{int(value):,}".replace(",", "\u202f")


def many(value: int, noun: str) -> str:
    """`1 comparison`, `2 comparisons`."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"
