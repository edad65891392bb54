"""OpenAI GPT's vocabulary for stand-ins: `<unk>`, characters within words and at their ends, merges, the line's end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from parity.errors import ParityError
from parity.inputs.english import words
from parity.inputs.gpt_bpe import END
from parity.models.vocabularies.merges import learn

UNKNOWN, LINE = "<unk>", "\n" + END
_FEWEST = 100
"""Entries below which not even the letters of one script find room at both of their places."""


def write(folder: Path, texts: Iterable[str], *, size: int, special: Mapping[str, int]) -> None:
    """Write encoder_bpe_40000.json and vocab_40000.bpe of `size` entries.

    Half of them at most are characters, the frequent ones: what is rarer is unknown, as most scripts are to the
    published model. The corpora teach fewer merges than that has: what is left are entries that no text is read as.

    Args:
        folder: where to write.
        texts: the corpora.
        size: number of entries.
        special: ids of the special tokens as published: `<unk>` is 0, which the source takes for granted.

    Raises:
        ParityError: another id of `<unk>`, or no room.
    """
    if special.get(UNKNOWN, 0) != 0 or size < _FEWEST:
        got = f"{size} entries, {UNKNOWN} at {special.get(UNKNOWN, 0)}"
        raise ParityError("no such vocabulary of GPT", got=got, expected=f">= {_FEWEST} entries, {UNKNOWN} at 0")
    seen = Counter((*word[:-1], word[-1] + END) for text in texts for word in words(text))
    characters = Counter(symbol.removesuffix(END) for word, times in seen.items() for symbol in word * times)
    kept = sorted(sorted(characters), key=lambda char: -characters[char])[: (size - 2) // 4]
    symbols = [UNKNOWN, *sorted(kept), *(f"{char}{END}" for char in sorted(kept)), LINE]
    known = set(symbols)
    spelt = Counter({word: times for word, times in seen.items() if known.issuperset(word)})
    merges = learn(spelt, size - len(symbols))
    # Two merges may make the same piece; it has one id.
    pieces = list(dict.fromkeys([*symbols, *("".join(pair) for pair in merges)]))
    unused = (f"<unused{number}>" for number in count(1))
    encoder = {
        token: number for number, token in enumerate([*pieces, *(next(unused) for _ in range(size - len(pieces)))])
    }
    (folder / "encoder_bpe_40000.json").write_text(json.dumps(encoder), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "vocab_40000.bpe").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
