"""What a run's batches touch of a model, and what they never do: nothing is run for it, it is counted.

Only real positions count (attention_mask 1). What no position touches, no comparison of activations can see: there
the proof, which hashes every tensor, is all there is.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from parity.inputs.batch import Batch
from parity.inputs.vocabulary import SPECIAL, Vocabulary
from parity.tensorfile import Array
from parity.traces import real_positions


class Count(NamedTuple):
    """One number: of what (`vocabulary`, `masks`, ...), of which of them, and what is counted."""

    subject: str
    name: str
    measure: str
    value: float


@dataclass(frozen=True)
class Unseen:
    """Something that only the proof covers."""

    what: str
    count: int
    why: str


@dataclass(frozen=True)
class Coverage:
    """What the batches of a run touch."""

    ids: Mapping[int, int]
    """Id -> real positions that hold it."""
    lines: int
    """Lines of the vocabulary."""
    table: int
    """Rows of the embedding table; more than lines where some are spare."""
    special: Mapping[str, int]
    """Special token -> real positions that hold it."""
    positions: Mapping[int, int]
    """Position -> real tokens at it."""
    position_rows: int
    segments: Mapping[int, int]
    """Token type -> real tokens of it."""
    segment_rows: int
    masks: Mapping[str, int]
    """Shape of a row's mask -> rows: `none`, `right`, `left`, `both`, `holes`, `all`."""
    lengths: Mapping[int, int]
    """Real tokens of a row -> rows."""
    pairs: Mapping[str, int]
    """`single`, `pair`, `empty second` -> rows."""
    kinds: Mapping[str, int]
    """Kind of batch -> rows."""
    scripts: Mapping[str, int]
    """Script of the texts' letters, or class of their other characters -> characters."""

    def counts(self) -> Iterator[Count]:
        """All of it as numbers, in the order of `docs/coverage.md`."""
        touched = len(self.ids)
        yield Count("vocabulary", "ids", "touched", touched)
        yield Count("vocabulary", "lines", "count", self.lines)
        yield Count("vocabulary", "lines", "share touched", _share(sum(n < self.lines for n in self.ids), self.lines))
        yield Count("vocabulary", "rows", "count", self.table)
        yield Count("vocabulary", "rows", "share touched", _share(touched, self.table))
        yield from (Count("special tokens", name, "tokens", count) for name, count in self.special.items())
        yield Count("positions", "rows", "touched", len(self.positions))
        yield Count("positions", "rows", "count", self.position_rows)
        yield from (Count("segments", str(name), "tokens", n) for name, n in sorted(self.segments.items()))
        yield from (Count("masks", name, "rows", count) for name, count in self.masks.items())
        yield from (Count("lengths", name, "rows", count) for name, count in histogram(self.lengths).items())
        yield from (Count("pairs", name, "rows", count) for name, count in self.pairs.items())
        yield from (Count("kinds", name, "rows", count) for name, count in self.kinds.items())
        yield from (Count("scripts", name, "characters", count) for name, count in self.scripts.items())

    def unseen(self) -> Iterator[Unseen]:
        """What no batch touches."""
        never = "no token of the inputs touches them"
        spare = self.table - self.lines
        named = self.lines - sum(n < self.lines for n in self.ids)
        found = (
            Unseen("rows of the vocabulary's embeddings", named, never),
            Unseen("spare rows of the vocabulary's embeddings", spare, "no line of the vocabulary names them"),
            Unseen("rows of the position embeddings", self.position_rows - len(self.positions), never),
            Unseen("rows of the token type embeddings", self.segment_rows - len(self.segments), never),
        )
        yield from (one for one in found if one.count > 0)


def coverage(
    batches: Sequence[Batch], *, vocabulary: Vocabulary, rows: int, positions: int, token_types: int
) -> Coverage:
    """Count what batches touch.

    Args:
        batches: of the run.
        vocabulary: of the source.
        rows: of the embedding table.
        positions: rows of the position table.
        token_types: rows of the token type table.
    """
    ids: Counter[int] = Counter()
    seen_positions: Counter[int] = Counter()
    segments: Counter[int] = Counter()
    masks: Counter[str] = Counter(dict.fromkeys(_MASKS, 0))
    pairs: Counter[str] = Counter(dict.fromkeys(_PAIRS, 0))
    lengths: Counter[int] = Counter()
    for batch in batches:
        real = real_positions(batch.arrays)
        types = batch.arrays.get("token_type_ids", np.zeros(real.shape, np.int32))
        ids.update(batch.arrays["input_ids"][real].tolist())
        seen_positions.update(np.nonzero(real)[1].tolist())
        segments.update(types[real].tolist())
        lengths.update(real.sum(axis=1).tolist())
        masks.update(mask_shape(row) for row in real)
        pairs.update(_pair(row[mine]) for row, mine in zip(types, real, strict=True))
    kinds: Counter[str] = Counter()
    for batch in batches:
        kinds[batch.kind] += len(batch.arrays["input_ids"])
    return Coverage(
        ids=ids,
        lines=len(vocabulary.tokens),
        table=rows,
        special={name: ids[vocabulary.ids[name]] for name in SPECIAL if name in vocabulary.ids},
        positions=seen_positions,
        position_rows=positions,
        segments=segments,
        segment_rows=token_types,
        masks=masks,
        lengths=lengths,
        pairs=pairs,
        kinds=kinds,
        scripts=scripts(text for batch in batches for text in (batch.texts or batch.shown)),
    )


def mask_shape(real: Array) -> str:
    """Where a row [T] of bools has padding: `none`, `right`, `left`, `both`, within (`holes`), everywhere (`all`)."""
    where = np.flatnonzero(real)
    if not where.size:
        return "all"
    if where[-1] - where[0] + 1 > where.size:
        return "holes"
    left, right = where[0] > 0, where[-1] < len(real) - 1
    return {(False, False): "none", (False, True): "right", (True, False): "left", (True, True): "both"}[left, right]


def histogram(lengths: Mapping[int, int]) -> dict[str, int]:
    """Lengths in classes that double: `1`, `2`, `3-4`, `5-8`, ...; class -> how many."""
    classes: Counter[int] = Counter()
    for length, count in lengths.items():
        classes[max(length - 1, 0).bit_length() if length else -1] += count
    return {_class(power): classes[power] for power in sorted(classes)}


def scripts(texts: Iterable[str]) -> dict[str, int]:
    """Characters by script (the first word of a letter's Unicode name), or by class where they are no letters."""
    characters = Counter(character for text in texts for character in text)
    found: Counter[str] = Counter()
    for character, count in characters.items():
        kind = unicodedata.category(character)[0]
        found[(_script(character) if kind == "L" else "") or _CLASSES[kind]] += count
    return dict(found.most_common())


_MASKS = ("none", "right", "left", "both", "holes", "all")
_PAIRS = ("single", "pair", "empty second")
_CLASSES = {
    "L": "other letters",
    "M": "marks",
    "N": "digits",
    "P": "punctuation",
    "S": "symbols",
    "Z": "spaces",
    "C": "controls",
}


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return first if first == "CJK" else first.capitalize()


def _pair(types: Array) -> str:
    """By the token types of a row's real positions: a second text without tokens leaves its separator alone."""
    second = int(np.count_nonzero(types))
    return "single" if not second else "empty second" if second == 1 else "pair"


def _class(power: int) -> str:
    first, last = (2 ** (power - 1) + 1, 2**power) if power > 0 else (power + 1, power + 1)
    return str(last) if first == last else f"{first}-{last}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
