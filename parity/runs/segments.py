"""Batches that go on where others ended, and batches with two streams: what some architectures are fed besides.

A segment is fed what the float64 oracle hands on from the one before, rounded to float32: identical numbers for every
runtime, and the numbers that a user's own loop would carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from parity.errors import ParityError
from parity.families import family
from parity.inputs.batch import Batch, as_trace, digest, spread_positions
from parity.inputs.corpora import sentences
from parity.inputs.extras import states_of
from parity.runs.store import reference_traces
from parity.tensorfile import Array
from parity.traces import batch_path, read_batch, write_batch

if TYPE_CHECKING:
    from parity.runs.model import ModelRun

SEGMENTS: Final = 3
_ROWS, _LONGEST, _TARGETS = 2, 24, 5
_SEED = 20190619


def segments(model: ModelRun) -> tuple[Batch, ...]:
    """Segments with memory, and rows with permuted factorisation, where the architecture has such.

    Raises:
        ParityError: the oracle failed on one of them.
    """
    outlined = model.outline
    architecture, config = family(outlined.family), outlined.config
    shown = {tap.name for tap in architecture.taps(config, outlined.head)}
    states = tuple(states_of(architecture, config, rows=_ROWS, length=1))
    found: list[Batch] = []
    if states and shown.issuperset(states):
        found += _carried(model, states)
    if architecture.feeds.two_streams and "query.0" in shown:
        found.append(_permuted(model))
    return tuple(found)


def _carried(model: ModelRun, states: tuple[str, ...]) -> list[Batch]:
    architecture, config = family(model.outline.family), model.outline.config
    length = min(_LONGEST, config.positions // SEGMENTS)
    rows = _ids(model, SEGMENTS * length)
    memory: Mapping[str, Array] = {}
    if architecture.feeds.zeros_first:
        shapes = states_of(architecture, config, rows=_ROWS, length=2 * length)
        memory = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    found: list[Batch] = []
    for number in range(SEGMENTS):
        batch = _batch(model, f"segment-{number}", rows[:, number * length : (number + 1) * length], memory)
        found.append(batch)
        if number + 1 < SEGMENTS:
            memory = _handed_on(model, batch, states)
    return found


def _handed_on(model: ModelRun, batch: Batch, states: tuple[str, ...]) -> dict[str, Array]:
    """What the oracle computes of these states; keys and values of earlier positions stay before the new ones."""
    path = model.scratch / "segments" / batch.name / "fed" / "batch-000.safetensors"
    write_batch(path, as_trace(batch))
    mark, source, head = digest([batch]), model.source, model.outline.head

    def build(folder: Path) -> None:
        job = model.make_job("oracle", precision="float64", taps=states, out=folder, inputs=(path,), inputs_digest=mark)
        outcome = model.wait([job])
        if not outcome.ok:
            raise ParityError(f"the oracle failed on {batch.name}: {outcome.reason}", remedy=outcome.stderr_tail)

    taps = read_batch(batch_path(reference_traces("oracle", source, mark, states, head.name, build), 0)).taps
    new = {name: taps[name].astype(np.float32) for name in states}
    if not family(model.outline.family).feeds.grows:
        return new
    return {
        name: np.concatenate([batch.arrays[name], array], axis=-2) if name in batch.arrays else array
        for name, array in new.items()
    }


def _permuted(model: ModelRun) -> Batch:
    """Every row in an order of its own; the last in that order are the targets, which see all that come before."""
    dice = np.random.default_rng(_SEED)
    length = min(_LONGEST, model.outline.config.positions)
    targets = min(_TARGETS, length)
    order = np.stack([dice.permutation(length) for _ in range(_ROWS)])
    place = np.argsort(order, axis=1)
    chosen = np.sort(order[:, length - targets :], axis=1)
    # The original: a token sees those before it in the order; what is no target sees all others that are none.
    hidden = place[:, :, None] <= place[:, None, :]
    plain = ~(place[:, :, None] >= length - targets) & ~(place[:, None, :] >= length - targets)
    extra = {
        "perm_mask": (hidden & ~plain).astype(np.float32),
        "target_mapping": np.eye(length, dtype=np.float32)[chosen],
    }
    return _batch(model, "permuted", _ids(model, length), extra)


def _ids(model: ModelRun, length: int) -> Array:
    """Rows of real text: [rows, length]."""
    texts, rules = sentences(), model.tokenizer
    found = []
    for row in range(_ROWS):
        ids: list[int] = []
        for text in chain(texts[row * 7 :], texts):
            ids += rules.ids(text)
            if len(ids) >= length:
                break
        # Corpora may be shorter than that in words a small vocabulary knows.
        found.append((ids * (1 + length // max(len(ids), 1)) or [rules.pad] * length)[:length])
    return np.array(found, np.int32)


def _batch(model: ModelRun, name: str, ids: Array, extra: Mapping[str, Array]) -> Batch:
    mask = np.ones_like(ids)
    tokens = model.tokenizer.vocab.tokens
    arrays: dict[str, Array] = {"input_ids": ids, "attention_mask": mask}
    if model.outline.config.token_types:
        arrays["token_type_ids"] = np.zeros_like(ids)
    arrays |= {"logit_positions": spread_positions(mask), **extra}
    shown = tuple(" ".join(tokens[one] if one < len(tokens) else f"<{one}>" for one in row) for row in ids)
    return Batch(name, arrays, None, shown, name.partition("-")[0])
