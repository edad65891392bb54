"""Transformer-XL's vocabulary for stand-ins: words of the corpora by falling frequency, in a pickle as published.

`cache.pkl` holds a `data_utils.Corpus` with its `vocabulary.Vocab`, which are not ours to import: the opcodes of
protocol 2 are written by hand. The texts of the corpus are left out, empty lists stand for them.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from parity.errors import ParityError

FILE = "cache.pkl"
_UNKNOWN = "<unk>"


def write(folder: Path, texts: Iterable[str], *, size: int, special: Mapping[str, int]) -> None:
    """Write cache.pkl of `size` words, as data_utils.py makes it for wt103: `<eos>` first, then words by frequency.

    Args:
        folder: where to write.
        texts: the corpora.
        size: number of words; what the corpora do not fill are words that no text has.
        special: ids of the special tokens as published, those that fit.

    Raises:
        ParityError: `size` cannot hold the special tokens.
    """
    fixed = {"<eos>": 0, **special}
    if size <= len(fixed):
        raise ParityError("too small for a vocabulary of words", got=size, expected=f"> {len(fixed)}")
    seen = Counter(word for text in texts for word in text.split())
    # The published corpus has its rare words replaced: <unk> is one of its most frequent words.
    ranked = [_UNKNOWN, *sorted(seen, key=lambda word: (-seen[word], word))]
    by_id = {number: word for word, number in fixed.items() if number < size}
    words = chain(dict.fromkeys(ranked), (f"unused{number}" for number in count(1)))
    taken = set(by_id.values())
    learned = (word for word in words if word not in taken)
    listed = [by_id.get(number) or next(learned) for number in range(size)]
    (folder / FILE).write_bytes(_pickle(listed, {word: seen.get(word, 0) for word in listed}))


def _pickle(words: list[str], counts: Mapping[str, int]) -> bytes:
    vocab = {
        "counter": _Mapping("collections", "Counter", counts),
        "special": ["<eos>"],
        "min_freq": 0,
        "max_size": None,
        "lower_case": False,
        "delimiter": None,
        "vocab_file": None,
        "idx2sym": words,
        "sym2idx": _Mapping("collections", "OrderedDict", {word: number for number, word in enumerate(words)}),
        "eos_idx": 0,
    }
    corpus = {"dataset": "wt103", "vocab": _Object("vocabulary", "Vocab", vocab), "train": [], "valid": [], "test": []}
    return b"\x80\x02" + _written(_Object("data_utils", "Corpus", corpus)) + b"."


class _Object:
    def __init__(self, module: str, name: str, state: Mapping[str, Any]) -> None:
        self.name, self.state = f"c{module}\n{name}\n".encode(), dict(state)


class _Mapping:
    def __init__(self, module: str, name: str, items: Mapping[str, int]) -> None:
        self.name, self.items = f"c{module}\n{name}\n".encode(), dict(items)


def _written(value: Any) -> bytes:
    """The opcodes that put `value` on the stack."""
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, str):
        raw = value.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, dict):
        return b"}" + _items(value)
    if isinstance(value, _Mapping):
        return value.name + b")R" + _items(value.items)
    return bytes(value.name + b")\x81" + _written(value.state) + b"b")


def _items(values: Mapping[str, Any]) -> bytes:
    return b"(" + b"".join(_written(key) + _written(item) for key, item in values.items()) + b"u"
