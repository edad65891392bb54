"""Hypothesis strategies for batches. They shrink towards one row, few tokens, id 0 and a mask without holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from parity.inputs.batch import Batch, spread_positions
from parity.inputs.strategies.texts import mixed
from parity.inputs.wordpiece import Encoded, Tokenizer
from parity.tensorfile import Array

MASKS = ("full", "right", "left", "holed")
_COMMON = 24
"""Tokens of a usual row: floors of long rows are costly, and short rows are where odd ids stand out."""
_RARELY = 24
"""One in so many rows is long."""


def of_texts(tokenizer: Tokenizer, *, positions: int, token_types: int, rows: int) -> st.SearchStrategy[Batch]:
    """Rows `[CLS] text [SEP]`, some as pairs, padded on the right."""
    short = mixed(tokenizer.vocab, longest=min(_COMMON, positions) * 2 // 3)
    line = st.one_of(*[short] * 7, mixed(tokenizer.vocab, longest=400))
    alone = st.lists(line, min_size=1, max_size=rows).map(lambda found: [(text, None) for text in found])
    paired = st.lists(st.tuples(line, st.one_of(st.just(""), line)), min_size=1, max_size=rows)
    return st.one_of(alone, alone, paired).map(lambda found: text_batch(tokenizer, found, positions, token_types))


def text_batch(
    tokenizer: Tokenizer, found: Sequence[tuple[str, str | None]], positions: int, token_types: int
) -> Batch:
    """A batch of texts, or of pairs where the second is not None.

    Texts too long for the model lose their ends, and then no text gives these ids.
    """
    rows = [tokenizer.encode(text, pair, max_length=positions) for text, pair in found]
    fits = all(pair is None and len(tokenizer.ids(text)) <= positions - 2 for text, pair in found)
    shown = tuple(text if pair is None else f"{text} [SEP] {pair}" for text, pair in found)
    texts = tuple(text for text, _ in found) if fits else None
    return _assembled(rows, texts, shown, tokenizer.vocab.ids.get("[PAD]", 0), token_types)


def _assembled(
    rows: Sequence[Encoded], texts: tuple[str, ...] | None, shown: tuple[str, ...], pad: int, token_types: int
) -> Batch:
    length = max(len(row.input_ids) for row in rows)
    ids = np.full((len(rows), length), pad, np.int32)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for number, row in enumerate(rows):
        at = slice(0, len(row.input_ids))
        ids[number, at], mask[number, at] = row.input_ids, 1
        types[number, at] = np.minimum(row.token_type_ids, token_types - 1)
    return _batch(ids, mask, types, texts=texts, shown=shown, kind="generated text")


def raw(
    *, vocab_size: int, positions: int, token_types: int, edges: Sequence[int], rows: int
) -> st.SearchStrategy[Batch]:
    """Any ids, segments and masks."""
    often = sorted({0, vocab_size - 1, *edges})
    identity = st.one_of(st.sampled_from(often), st.integers(0, vocab_size - 1))
    ends = sorted({size for size in (1, 2, positions - 1, positions) if 0 < size <= positions})
    usual = st.integers(1, min(_COMMON, positions))

    @st.composite
    def make(draw: st.DrawFn) -> Batch:
        count = draw(st.integers(1, rows))
        long = draw(st.integers(0, _RARELY - 1)) == _RARELY - 1
        length = draw(st.sampled_from(ends) if long else usual)
        # A long row repeats what was drawn, shifted by one each time, so that hypothesis decides about few numbers.
        seedlings = [draw(st.lists(identity, min_size=1, max_size=min(length, _COMMON))) for _ in range(count)]
        ids = np.stack([_repeated(np.array(drawn, np.int64), length, vocab_size) for drawn in seedlings])
        masks, cuts = zip(
            *(draw(st.tuples(st.sampled_from(MASKS), st.integers(0, length - 1))) for _ in range(count)), strict=True
        )
        types = np.stack([_segments(draw(st.integers(0, length)), length, token_types) for _ in range(count)])
        mask = np.stack([_mask(kind, cut, length) for kind, cut in zip(masks, cuts, strict=True)])
        return _batch(ids.astype(np.int32), mask, types, texts=None, shown=(), kind="generated ids")

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


def _batch(
    ids: Array, mask: Array, types: Array, *, texts: tuple[str, ...] | None, shown: Sequence[str], kind: str
) -> Batch:
    arrays = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": types,
        "logit_positions": spread_positions(mask),
    }
    return Batch("generated", arrays, texts, tuple(shown), kind)
