"""Byte pair encoding as GPT and GPT-2 share it: the file of merges, and how one word is put together by their ranks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from parity.errors import ParityError, Problems
from parity.inputs.textfiles import read_utf8
from parity.inputs.vocabulary import Vocabulary

Ranks = Mapping[tuple[str, str], int]
_PUBLISHED = "use the files of the checkpoint's own release"


def merge(word: Sequence[str], ranks: Ranks) -> tuple[str, ...]:
    """Join neighbours for as long as some pair of them has a rank; the lowest rank goes first, at all its places.

    This is the loop of encoder.py in openai/gpt-2 and of text_utils.py in openai/finetune-transformer-lm.

    Args:
        word: the symbols to start from; what marks a word's end is part of its last symbol.
        ranks: the merges, first learnt first.
    """
    symbols = tuple(word)
    while len(symbols) > 1:
        best = min(pairwise(symbols), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        symbols = _joined(symbols, best)
    return symbols


def _joined(symbols: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    """Every occurrence of the pair as one symbol; where they overlap, the one further left."""
    found: list[str] = []
    at = 0
    while at < len(symbols):
        here = tuple(symbols[at : at + 2]) == pair
        found.append("".join(pair) if here else symbols[at])
        at += 2 if here else 1
    return tuple(found)


def read_merges(path: Path) -> dict[tuple[str, str], int]:
    """Rank of every merge in a `vocab.bpe`: a header, then two symbols a line.

    Raises:
        ParityError: unreadable, cut off, or a line that is no merge; all problems at once.
    """
    lines = read_utf8(path).split("\n")
    problems = Problems("not a file of merges", where=path)
    if lines.pop() or not lines:
        # The source leaves out the last line, whatever it holds: it would lose a merge without a word.
        problems.add("the last line has no line end", remedy=f"the file is cut off: {_PUBLISHED}")
    merges = [tuple(line.split()) for line in lines[1:]]
    for number, found in enumerate(merges, start=2):
        if len(found) != 2:
            problems.add(f"line {number} is not two symbols", got=_shown(lines[number - 1]), remedy=_PUBLISHED)
    problems.raise_if_any()
    return {(pair[0], pair[1]): rank for rank, pair in enumerate(merges)}


def read_encoder(path: Path, *, size: int) -> Vocabulary:
    """The symbols of an `encoder.json`, in the order of their ids.

    Args:
        path: a JSON object, symbol to id.
        size: rows of the model's embedding table that symbols have.

    Raises:
        ParityError: unreadable, no such object, or ids that are not 0 up to `size`; all problems at once.
    """
    try:
        raw = json.loads(read_utf8(path))
    except (ValueError, RecursionError) as error:
        raise ParityError("not JSON", where=path, got=str(error)[:80], remedy=_PUBLISHED) from error
    if not isinstance(raw, dict):
        expected = "an object of symbols and ids"
        raise ParityError("not a vocabulary", where=path, got=type(raw).__name__, expected=expected, remedy=_PUBLISHED)
    problems = Problems("the vocabulary does not fit the model", where=path)
    for symbol, number in raw.items():
        if type(number) is not int:
            problems.add(f"the id of {_shown(symbol)} is no whole number", got=_shown(number), remedy=_PUBLISHED)
    ids: dict[str, int] = {symbol: number for symbol, number in raw.items() if type(number) is int}
    if len(raw) != size:
        problems.add(
            "vocabulary has the wrong length",
            got=f"{len(raw)} entries",
            expected=f"{size} as the config says",
            remedy=_PUBLISHED,
        )
    by_id = {number: symbol for symbol, number in ids.items()}
    if not len(problems) and by_id.keys() != set(range(size)):
        gap = next(number for number in range(size) if number not in by_id)
        problems.add(f"no symbol has id {gap}", expected=f"every id from 0 to {size - 1} once", remedy=_PUBLISHED)
    problems.raise_if_any()
    return Vocabulary(tuple(by_id[number] for number in range(size)), ids, path)


def beside(path: Path, names: Sequence[str]) -> Path:
    """The file that belongs to a vocabulary, under the first of its names that is there.

    Raises:
        ParityError: under none.
    """
    for name in names:
        if (path.parent / name).is_file():
            return path.parent / name
    raise ParityError(f"no {' or '.join(names)} beside it", where=path, remedy=_PUBLISHED)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
