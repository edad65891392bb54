"""Batches of generated rows. Imports no hypothesis: cases are run again without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.inputs.batch import Batch, spread_positions
from parity.inputs.tokenizers import Rules
from parity.inputs.wordpiece import Encoded
from parity.tensorfile import Array


def text_batch(tokenizer: Rules, found: Sequence[tuple[str, str | None]], positions: int, token_types: int) -> Batch:
    """A batch of texts, or of pairs where the second is not None.

    Texts too long for the model lose their ends, and then no text gives these ids.
    """
    rows = [tokenizer.encode(text, pair, max_length=positions) for text, pair in found]
    # Where nothing is put around a text, an empty one is no row at all.
    rows = [row if row.input_ids else Encoded((tokenizer.pad,), (0,)) for row in rows]
    fits = all(row.input_ids != (tokenizer.pad,) for row in rows) and all(
        pair is None and len(tokenizer.ids(text)) <= positions - tokenizer.added for text, pair in found
    )
    shown = tuple(text if pair is None else f"{text} [SEP] {pair}" for text, pair in found)
    texts = tuple(text for text, _ in found) if fits else None
    return _assembled(rows, texts, shown, tokenizer.pad, token_types)


def _assembled(
    rows: Sequence[Encoded], texts: tuple[str, ...] | None, shown: tuple[str, ...], pad: int, token_types: int
) -> Batch:
    length = max(len(row.input_ids) for row in rows)
    ids = np.full((len(rows), length), pad, np.int32)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for number, row in enumerate(rows):
        at = slice(0, len(row.input_ids))
        ids[number, at], mask[number, at] = row.input_ids, 1
        types[number, at] = np.minimum(row.token_type_ids, max(token_types - 1, 0))
    return batch_of(ids, mask, types if token_types else None, texts=texts, shown=shown, kind="generated text")


def batch_of(
    ids: Array, mask: Array, types: Array | None, *, texts: tuple[str, ...] | None, shown: Sequence[str], kind: str
) -> Batch:
    """Arrays as a batch, the vocabulary's logits at the usual positions."""
    arrays = {
        "input_ids": ids,
        "attention_mask": mask,
        **({} if types is None else {"token_type_ids": types}),
        "logit_positions": spread_positions(mask),
    }
    return Batch("generated", arrays, texts, tuple(shown), kind)
