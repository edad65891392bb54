"""Hypothesis strategies for batches. They shrink towards one row, few tokens, id 0 and a mask without holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from parity.inputs.batch import Batch
from parity.inputs.strategies.rows import batch_of, text_batch
from parity.inputs.strategies.writing import mixed, weighted
from parity.inputs.tokenizers import Rules
from parity.tensorfile import Array

MASKS = ("full", "right", "left", "holed")
_COMMON = 24
"""Tokens of a usual row: floors of long rows are costly, and short rows are where odd ids stand out."""


def longest(positions: int) -> st.SearchStrategy[int]:
    """Lengths at the upper end."""
    return st.sampled_from([positions, max(1, positions - 1)])


def shortest(positions: int) -> st.SearchStrategy[int]:
    """Lengths at the lower end."""
    return st.integers(1, min(2, positions))


def usual(positions: int) -> st.SearchStrategy[int]:
    """Lengths that cost little."""
    return st.integers(1, min(_COMMON, positions))


def of_texts(tokenizer: Rules, *, positions: int, token_types: int, rows: int, pairs: bool) -> st.SearchStrategy[Batch]:
    """Rows `[CLS] text [SEP]`, or with a second text, which may be empty, padded on the right."""
    short = mixed(tokenizer.vocab, longest=min(_COMMON, positions) * 2 // 3)
    line = weighted((15, short), (1, mixed(tokenizer.vocab, longest=400)))
    if not tokenizer.added:
        # Nothing around a text: one without pieces is a row without tokens, which no model can be fed.
        line = line.filter(lambda text: bool(tokenizer.ids(text)))
    second: st.SearchStrategy[str | None] = st.one_of(st.just(""), line) if pairs else st.none()
    found = st.lists(st.tuples(line, second), min_size=1, max_size=rows)
    return found.map(lambda each: text_batch(tokenizer, each, positions, token_types))


def raw(
    lengths: st.SearchStrategy[int],
    *,
    vocab_size: int,
    token_types: int,
    edges: Sequence[int],
    rows: int,
    masked: bool = True,
) -> st.SearchStrategy[Batch]:
    """Any ids, segments and masks; `edges` are ids that are drawn often, beside 0 and the table's last.

    Without a mask, padding is on the right.
    """
    kinds = MASKS if masked else MASKS[:2]
    often = sorted({0, vocab_size - 1, *edges})
    identity = st.one_of(st.integers(0, vocab_size - 1), st.sampled_from(often))

    @st.composite
    def make(draw: st.DrawFn) -> Batch:
        length, count = draw(lengths), draw(st.integers(1, rows))
        # A long row repeats what was drawn, shifted by one each time, so that hypothesis decides about few numbers.
        seedlings = [draw(st.lists(identity, min_size=1, max_size=min(length, _COMMON))) for _ in range(count)]
        ids = np.stack([_repeated(np.array(drawn, np.int64), length, vocab_size) for drawn in seedlings])
        masks, cuts = zip(
            *(draw(st.tuples(st.sampled_from(kinds), st.integers(0, length - 1))) for _ in range(count)), strict=True
        )
        types = None
        if token_types:
            types = np.stack([_segments(draw(st.integers(0, length)), length, token_types) for _ in range(count)])
        mask = np.stack([_mask(kind, cut, length) for kind, cut in zip(masks, cuts, strict=True)])
        return batch_of(ids.astype(np.int32), mask, types, texts=None, shown=(), kind="generated ids")

    return make()


def _repeated(drawn: Array, length: int, vocab_size: int) -> Array:
    turns = -(-length // len(drawn))
    return np.concatenate([(drawn + turn) % vocab_size for turn in range(turns)])[:length]


def _segments(first: int, length: int, token_types: int) -> Array:
    """Zeros, then the last token type from where the second text would begin: `first` counts from the end."""
    return np.where(np.arange(length) >= length - first, token_types - 1, 0).astype(np.int32)


def _mask(kind: str, cut: int, length: int) -> Array:
    """1 = real. `cut` positions are padding; at least one stays."""
    mask = np.ones(length, np.int32)
    if kind == "right":
        mask[length - cut :] = 0
    elif kind == "left":
        mask[:cut] = 0
    elif kind == "holed":
        mask[1 : 1 + min(cut, length - 2) : 2] = 0
    return mask
