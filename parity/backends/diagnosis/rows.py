"""A vocabulary table whose rows are not where they should be: cut off, moved, or exchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from parity.backends.diagnosis.hypothesis import IS, Change, Hypothesis
from parity.backends.diagnosis.sample import Piece, cut
from parity.backends.diagnosis.station import Station
from parity.measure.floor import Bools
from parity.tensorfile import Array

_LOOKED_UP = 12
"""Wrong ids whose row is searched for."""
_FAR = 8.0
"""Floors from which a token counts as wrong."""
_BLOCK = 1 << 22
"""Values that are computed at a time while searching."""


EDGES = ("truncated-vocabulary", "rows-shifted")
"""Kinds that begin at some row."""


def edges(station: Station, earlier: Sequence[Hypothesis]) -> Iterator[Hypothesis]:
    """What was found where rows are looked up, at a station that multiplies with all of them: it shows the edge."""
    table = station.original.family.suspects.vocabulary or ""
    if table not in station.tensors or station.pieces[0].seen.shape[-1] != station.tensors[table].shape[0]:
        return
    far = np.sqrt(np.square(station.white(station.values())).mean(axis=0)) > _FAR
    for hypothesis in earlier:
        change = hypothesis.weights.get(table)
        moved = change and (change.rows or change.make)
        if hypothesis.kind in EDGES and change and isinstance(moved, partial) and far.any():
            first = int(far.argmax())
            renewed = partial(moved.func, **{**moved.keywords, "first": first})
            weights = {table: replace(change, rows=renewed) if change.rows else replace(change, make=renewed)}
            told = _ONWARDS.sub(f"rows from {first} on", hypothesis.sentence)
            yield replace(hypothesis, sentence=told, weights=weights)


_ONWARDS = re.compile(r"rows from .*?\)")


def moved_rows(station: Station) -> Iterator[Hypothesis]:
    """Hypotheses on the rows of the table that is looked up by id, if the station looks it up."""
    suspects = station.original.family.suspects
    table = suspects.vocabulary
    if station.given or table not in station.tensors:
        return
    assert table is not None
    wrong, right = _ids(station, suspects.ids)
    if not wrong or wrong & right:
        return
    read = dict[int, int]()
    for i in sorted(wrong)[:_LOOKED_UP]:
        row = _row_of(station, i, suspects.ids)
        if row is None:
            break  # what is wrong is something else than the place of rows: every search goes over all of them
        read[i] = row
    first, last = min(wrong), max(right, default=-1)
    cut_off = last < first

    def told(kind: str, sentence: str, change: Change) -> Hypothesis:
        return Hypothesis(kind, f"{IS}: {sentence}", (table,), {table: change})

    since = f"rows from {first} on (the last seen right is {last})"
    if cut_off:
        zero = Change(partial(_emptied, first=first))
        yield told("truncated-vocabulary", f"{since} are zeros", zero)
    if len(set(read.values())) == 1 and len(read) > 1 and cut_off:
        row = next(iter(read.values()))
        swap = Change(rows=partial(_same, first=first, row=row))
        yield told("truncated-vocabulary", f"{since} are read as row {row}", swap)
    shifts = {row - i for i, row in read.items()}
    if len(shifts) == 1 and (cut_off or not right) and shifts != {0}:
        shift = shifts.pop()
        yield told(
            "rows-shifted",
            f"{since} are read {shift:+d} further",
            Change(rows=partial(_shifted, first=first, by=shift, last=station.tensors[table].shape[0] - 1)),
        )
    if len(read) == len(wrong):
        pairs = ", ".join(f"{i} as {row}" for i, row in read.items())
        yield told(
            "rows-exchanged", f"rows are read from elsewhere: {pairs}", Change(rows=partial(_exchanged, read=read))
        )


def _ids(station: Station, name: str) -> tuple[set[int], set[int]]:
    """Ids whose tokens are wrong, and those whose tokens are right."""
    squares = np.square(station.white(station.values())).mean(axis=1)
    ids = np.concatenate([piece.inputs[name][piece.judged] for piece in station.pieces])
    far = ~(np.sqrt(squares) <= _FAR)
    return {int(i) for i in ids[far]}, {int(i) for i in ids[~far]}


def _row_of(station: Station, token: int, name: str) -> int | None:
    """The row of the table by which the runtime's value of that id is explained; None if there is none."""
    piece, row, position = _shortest(station, token, name)
    one = cut(piece, [row])
    size = len(station.original.read(station.original.family.suspects.vocabulary or ""))
    block = max(1, _BLOCK // ((position + 1) * piece.seen.shape[-1]))
    best, at = np.inf, -1
    for start in range(0, size, block):
        tried = np.arange(start, min(start + block, size))
        fed = {n: np.repeat(array[:, : position + 1], len(tried), axis=0) for n, array in one.inputs.items()}
        fed[name] = np.array(fed[name])
        fed[name][:, position] = tried
        found = station.alone(fed)[:, position]
        far = np.square(found - one.seen[0, position]).mean(axis=-1)
        if far.min() < best:
            best, at = float(far.min()), int(tried[int(far.argmin())])
    scale = float(np.square(one.seen[0, position].astype(np.float64)).mean())
    return at if best <= 1e-8 * scale else None


def _shortest(station: Station, token: int, name: str) -> tuple[Piece, int, int]:
    """Where the id stands nearest to the beginning of a row."""
    places = []
    for number, piece in enumerate(station.pieces):
        mine: Bools = (piece.inputs[name] == token) & piece.judged
        places += [(int(position), number, int(row)) for row, position in np.argwhere(mine)]
    position, number, row = min(places)
    return station.pieces[number], row, position


def _emptied(w: Array, *, first: int) -> Array:
    found = np.array(w)
    found[first:] = 0
    return found


def _same(ids: Array, *, first: int, row: int) -> Array:
    return np.where(ids >= first, row, ids)


def _shifted(ids: Array, *, first: int, by: int, last: int) -> Array:
    return np.where(ids >= first, np.clip(ids + by, 0, last), ids)


def _exchanged(ids: Array, *, read: Mapping[int, int]) -> Array:
    found = np.array(ids)
    for here, there in read.items():
        found[ids == here] = there
    return found
