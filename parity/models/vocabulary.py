"""A WordPiece vocabulary for stand-ins: characters, frequent words and pieces of the corpora, published special ids."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, zip_longest

from parity.errors import ParityError

_RARE = 2
"""Words and pieces met less often stay out, so that rare words are spelled in pieces, as in a real model."""


def build_vocabulary(
    texts: Iterable[str], *, words: Callable[[str], Iterable[str]], special: Mapping[str, int], size: int
) -> tuple[str, ...]:
    """Tokens in id order.

    Args:
        texts: the corpora.
        words: splits a text as the model's own tokenizer does before it looks words up, casing and accents included;
            whatever it never produces gets no row.
        special: ids of the special tokens; the ids between them are `[unusedN]`, as is what remains at the end.
        size: number of tokens.

    Raises:
        ParityError: `size` cannot hold the special tokens and every character.
    """
    seen = Counter(word for text in texts for word in words(text))
    characters = sorted({character for word in (*seen, *words(string.printable)) for character in word})
    # A CJK character always stands alone, hence never continues a word.
    inside = sorted({character for word in seen if len(word) > 1 for character in word} | set(string.digits))
    first = max(special.values()) + 1
    tokens = [*characters, *(f"##{character}" for character in inside), *_frequent(seen)]
    needed = first + len(characters) + len(inside)
    if needed > size:
        raise ParityError("the vocabulary is too small for the corpora's characters", got=size, expected=f">= {needed}")
    rows = dict.fromkeys(tokens)
    by_id = {index: token for token, index in special.items()}
    unused, learned = (f"[unused{n}]" for n in count(1)), iter(rows)
    return tuple(
        by_id[index] if index in by_id else next(unused) if index < first else next(learned, None) or next(unused)
        for index in range(size)
    )


def _frequent(seen: Counter[str]) -> Iterator[str]:
    """Words and pieces in turn, each by falling frequency."""
    pieces: Counter[str] = Counter()
    for word, times in seen.items():
        for cut in range(2, len(word) - 1):
            pieces[word[:cut]] += times
            pieces[f"##{word[cut:]}"] += times
    for pair in zip_longest(_ranked(seen), _ranked(pieces)):
        yield from (token for token in pair if token is not None)


def _ranked(counts: Counter[str]) -> list[str]:
    return sorted(
        (token for token, times in counts.items() if times >= _RARE), key=lambda token: (-counts[token], token)
    )
