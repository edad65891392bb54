"""Batches fed to a graph that may have its batch size, its length and its number of positions drawn into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity.artifacts.tfgraph.bert import Place
from parity.artifacts.tfgraph.freezing import Feed
from parity.artifacts.tfgraph.running import Running
from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError
from parity.tensorfile import Array

_IDS, _POSITIONS = "input_ids", "logit_positions"
_NEUTRAL = {"attention_mask": 1, "token_type_ids": 0}
"""What an input is that the batch does not name, or that the graph does not have."""


@dataclass(frozen=True)
class Drawn:
    """The feeds of a graph, and the sizes that are drawn into it; None where a size is free."""

    feeds: Mapping[str, Feed]

    @property
    def rows(self) -> int | None:
        """Rows of a batch."""
        return self._size(_IDS, 0)

    @property
    def length(self) -> int | None:
        """Tokens of a row."""
        return self._size(_IDS, 1)

    @property
    def positions(self) -> int | None:
        """Logit positions of a row."""
        return self._size(_POSITIONS, 1)

    def _size(self, name: str, axis: int) -> int | None:
        shape = self.feeds[name].shape if name in self.feeds else None
        return shape[axis] if shape is not None and axis < len(shape) else None

    def text(self) -> str:
        """`4 rows, 128 tokens` or `any rows, any tokens`."""
        return f"{self.rows or 'any'} rows, {self.length or 'any'} tokens"


def run_batch(
    running: Running, drawn: Drawn, places: Mapping[str, Place], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Taps of one batch, real size.

    Args:
        running: the graph.
        drawn: its feeds.
        places: taps and where they are.
        inputs: arrays of the batch, [B,T] and [B,Q].

    Raises:
        BatchSkipped: the batch is longer than the graph, or says what the graph has no input for.
    """
    rows, length = inputs[_IDS].shape
    _check(drawn, inputs, length)
    if not rows or not places:
        return {}
    step = drawn.rows or rows
    parts = [_rows(running, drawn, places, inputs, slice(at, at + step)) for at in range(0, rows, step)]
    return {tap: np.concatenate([part[tap] for part in parts]) for tap in places}


def _check(drawn: Drawn, inputs: Mapping[str, Array], length: int) -> None:
    if drawn.length is not None and length > drawn.length:
        raise BatchSkipped(f"the graph is drawn for {drawn.length} tokens, the batch has {length}")
    for name, value in _NEUTRAL.items():
        if name not in drawn.feeds and name in inputs and (inputs[name] != value).any():
            raise BatchSkipped(f"the graph has no input for {name}, and the batch is not all {value}")


def _rows(
    running: Running, drawn: Drawn, places: Mapping[str, Place], inputs: Mapping[str, Array], rows: slice
) -> dict[str, Array]:
    part = {name: array[rows] for name, array in inputs.items()}
    held, length = part[_IDS].shape
    sizes = (drawn.rows or held, drawn.length or length)
    usual = {name: np.full((held, length), value, np.int32) for name, value in _NEUTRAL.items()}
    given = {**usual, **part}
    fed = {name: _filled(given[name], *sizes, feed) for name, feed in drawn.feeds.items() if name != _POSITIONS}
    whole = {tap: place for tap, place in places.items() if "Q" not in place.axes}
    taps = _cut(dict(zip(whole, running.run(fed, [p.port for p in whole.values()]), strict=True)), whole, sizes, part)
    few = {tap: place for tap, place in places.items() if "Q" in place.axes}
    if few and _POSITIONS not in part:
        raise ParityError(f"the batch has no {_POSITIONS}", remedy="write it with `parity.inputs`")
    if few:
        taps |= _at_positions(running, drawn, few, fed, part[_POSITIONS])
    return taps


def _at_positions(
    running: Running, drawn: Drawn, places: Mapping[str, Place], fed: Mapping[str, Array], positions: Array
) -> dict[str, Array]:
    """As many positions at a time as the graph takes."""
    rows, feed = len(positions), drawn.feeds[_POSITIONS]
    step = drawn.positions or max(positions.shape[1], 1)
    found: dict[str, list[Array]] = {tap: [] for tap in places}
    for at in range(0, positions.shape[1], step):
        some = positions[:, at : at + step]
        filled = {**fed, _POSITIONS: _filled(some, drawn.rows or rows, step, feed)}
        for tap, value in zip(places, running.run(filled, [p.port for p in places.values()]), strict=True):
            found[tap].append(value.reshape(drawn.rows or rows, step, -1)[:rows, : some.shape[1]])
    return {tap: np.concatenate(parts, axis=1) for tap, parts in found.items()}


def _filled(array: Array, rows: int, columns: int, feed: Feed) -> Array:
    """The last row again and again, and zeros behind each row: masked tokens, or positions nobody looks at."""
    wide = np.pad(array, ((0, 0), (0, columns - array.shape[1])))
    return np.pad(wide, ((0, rows - len(wide)), (0, 0)), mode="edge").astype(feed.dtype)


def _cut(
    taps: Mapping[str, Array], places: Mapping[str, Place], sizes: tuple[int, int], part: Mapping[str, Array]
) -> dict[str, Array]:
    """Back to the batch's own size; the original keeps [B,T,C] as a matrix inside its layers."""
    rows, length = part[_IDS].shape
    found = {}
    for tap, value in taps.items():
        axes = places[tap].axes
        if axes == "BTC":
            found[tap] = value.reshape(*sizes, -1)[:rows, :length]
        elif axes == "BHTC":
            found[tap] = value[:rows, :, :length, :length]
        else:
            found[tap] = value[:rows]
    return found
