"""GPT-2's vocabulary for stand-ins: the 256 bytes, merges learnt from the corpora, and `<|endoftext|>`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from parity.errors import ParityError
from parity.inputs.byte_bpe import BYTES, END, spelt, words
from parity.models.vocabularies.merges import learn


def write(folder: Path, texts: Iterable[str], *, size: int, special: Mapping[str, int]) -> None:
    """Write encoder.json and vocab.bpe of `size` entries.

    The corpora teach fewer merges than the published model has: what is left are entries that no text is read as.

    Args:
        folder: where to write.
        texts: the corpora.
        size: number of entries.
        special: ids of the special tokens as published; one beyond `size` (at the small scales) goes to the end.

    Raises:
        ParityError: `size` cannot hold the bytes and the special tokens.
    """
    fixed = {**dict.fromkeys((END,), size - 1), **special}
    if size < len(BYTES) + len(fixed):
        raise ParityError("too small for a byte-level vocabulary", got=size, expected=f">= {len(BYTES) + len(fixed)}")
    seen = Counter(tuple(spelt(word)) for text in texts for word in words(text))
    merges = learn(seen, size - len(BYTES) - len(fixed))
    by_id = _placed(fixed, size)
    # The published file has the bytes that show first, by their spelling, then those that do not.
    pieces = iter(dict.fromkeys([*sorted(BYTES), *("".join(pair) for pair in merges)]))
    unused = (f"<|unused{number}|>" for number in count(1))
    tokens = [by_id.get(number) or next(pieces, None) or next(unused) for number in range(size)]
    encoder = {token: number for number, token in enumerate(tokens)}
    (folder / "encoder.json").write_text(json.dumps(encoder), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "vocab.bpe").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _placed(fixed: Mapping[str, int], size: int) -> dict[int, str]:
    """Token by id; from the end where the published id is beyond it."""
    within = {number: token for token, number in fixed.items() if number < size}
    free = (number for number in range(size - 1, -1, -1) if number not in within)
    return within | {next(free): token for token, number in fixed.items() if number >= size}
