"""One batch of token ids, the same for every runtime, and what can be said of batches without running anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from parity.tensorfile import Array
from parity.traces import TraceBatch

LOGIT_POSITIONS = 8


@dataclass(frozen=True)
class Batch:
    """Arrays that every runtime is fed, batch-major; whole numbers are int32, states and masks of XLNet float32.

    `input_ids` [B,T]; `attention_mask` [B,T], 1 = real (for an architecture without a mask it only tells which
    positions count); `token_type_ids` [B,T], where there are any; `logit_positions` [B,Q], where the vocabulary-sized
    taps are traced; `mems.k` [B,M,D], `past.k.key` and `past.k.value` [B,H,P,d], `perm_mask` [B,T,T] and
    `target_mapping` [B,Q,T] where the architecture takes them.
    """

    name: str
    arrays: Mapping[str, Array]
    texts: tuple[str, ...] | None
    """What a runtime that tokenizes by itself is fed; None where no text gives exactly these arrays."""
    shown: tuple[str, ...] = ()
    """What a person is shown for each row; empty where nothing is known of it."""
    kind: str = "given"
    """`single`, `paired`, `padded`, ...: see `parity.inputs.batches`; `given` for a user's own arrays."""
    skipped: str | None = None
    """Why no runtime is fed it: a mask that the architecture cannot mean."""

    @property
    def real_tokens(self) -> int:
        """Positions that count: those with attention_mask 1."""
        return int(np.count_nonzero(self.arrays["attention_mask"] == 1))


def spread_positions(mask: Array, count: int = LOGIT_POSITIONS) -> Array:
    """Real positions of each row, evenly spread, the first and the last among them: int32 [B,count].

    Rows with fewer real positions repeat some; a row without any gets zeros.
    """
    chosen = np.zeros((len(mask), count), np.int32)
    for row, real in zip(chosen, (np.flatnonzero(line == 1) for line in mask), strict=True):
        if real.size:
            row[:] = real[np.arange(count) * (real.size - 1) // max(count - 1, 1)]
    return chosen


def digest(batches: Iterable[Batch]) -> str:
    """SHA-256 (hex) of everything the batches feed: names, arrays and texts, in order; not of what is only shown."""
    total = hashlib.sha256()
    for batch in batches:
        arrays = {name: np.ascontiguousarray(array) for name, array in sorted(batch.arrays.items())}
        head = [batch.name, [[name, array.dtype.str, array.shape] for name, array in arrays.items()], batch.texts]
        total.update(json.dumps(head).encode() + b"\n")
        for array in arrays.values():
            total.update(array.tobytes())
    return total.hexdigest()


def trace_bytes(batches: Iterable[Batch], *, hidden: int, layers: int, vocab: int, itemsize: int = 4) -> int:
    """Bytes a trace of embeddings, all layers, pooler and vocabulary logits will take; `itemsize` 8 for the oracle."""
    values = 0
    for batch in batches:
        rows, length = batch.arrays["input_ids"].shape
        values += rows * (length * hidden * (layers + 1) + hidden)
        values += int(batch.arrays["logit_positions"].size) * vocab
    return values * itemsize


def as_trace(batch: Batch) -> TraceBatch:
    """The batch in the layout of a trace without taps: what a worker is given to run on."""
    meta = {"name": batch.name, "kind": batch.kind, "texts": batch.texts, "shown": batch.shown}
    return TraceBatch({}, batch.arrays, meta if batch.skipped is None else {**meta, "skipped": batch.skipped})
