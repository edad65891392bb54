"""The rows of a runtime's trace that a diagnosis looks at: the worst, and an even choice of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.backends.diagnosis.original import Original
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import needed, walk
from parity.errors import ParityError
from parity.measure.floor import Bools
from parity.measure.places import places_of
from parity.tensorfile import Array
from parity.traces import read_batch

TOKENS = 400
"""Real tokens in a sample, about."""
VALUES = 4_000_000
"""Values of the station in a sample, at most about: vocabularies are wide."""


@dataclass(frozen=True)
class Piece:
    """Some rows of one batch."""

    name: str
    rows: tuple[int, ...]
    """Their numbers in the batch."""
    inputs: Mapping[str, Array]
    given: Mapping[str, Array]
    """What the runtime computed at the taps that the station is computed from."""
    seen: Array
    """What it computed at the station."""
    judged: Bools
    """Over all axes of the station but the last: real positions, repeated ones once."""


def sample(
    original: Original, paths: Sequence[Path], tap: str, *, held: Mapping[str, str] | None = None
) -> tuple[Piece, ...]:
    """Choose rows of a runtime's trace by how far the station lies from the oracle's step.

    Args:
        original: the checkpoint.
        paths: the trace's files.
        tap: the station.
        held: under which name the trace holds each tap, where it is not its own; a tap that is left out is not held.

    Raises:
        ParityError: no batch shows the station.
    """
    shown = _alike([piece for path in paths if (piece := _piece(original, path, tap, held)) is not None])
    if not shown:
        raise ParityError(f"the trace does not show {tap}", remedy="trace it")
    ops = NumpyOps(original.reference.read, np.dtype("float64"))
    keys, badness, cost = list[tuple[int, int]](), list[float](), list[float]()
    for number, piece in enumerate(shown):
        rows = [row for row, judged in enumerate(piece.judged) if judged.any()]
        keys += [(number, row) for row in rows]
        badness += _own(original, piece, tap, ops)
        cost += [_cost(original, piece, tap, row) for row in rows]
    if not keys:
        raise ParityError(f"no real position at {tap}")
    chosen = _choose(np.array(badness), np.array(cost))
    wanted: dict[int, list[int]] = {}
    for index in sorted(chosen):
        wanted.setdefault(keys[index][0], []).append(keys[index][1])
    return tuple(cut(shown[number], rows) for number, rows in wanted.items())


def whole(original: Original, paths: Sequence[Path], tap: str) -> tuple[Piece, ...]:
    """Batches in their order until they hold `TOKENS` judged positions, none cut: a quantiser's range is a batch's.

    Empty where no batch shows the station.
    """
    found, tokens = list[Piece](), 0
    for path in paths:
        piece = _piece(original, path, tap, None) if tokens < TOKENS else None
        if piece is not None and piece.judged.any():
            found.append(piece)
            tokens += int(piece.judged.sum())
    return tuple(_alike(found))


def _alike(pieces: Sequence[Piece]) -> list[Piece]:
    """Those that are computed from the same taps as most: with a second stream, a head is computed from that."""
    counts = Counter(tuple(piece.given) for piece in pieces)
    most = max(counts, key=counts.__getitem__, default=())
    return [piece for piece in pieces if tuple(piece.given) == most]


def cut(piece: Piece, rows: Sequence[int]) -> Piece:
    """Some rows of a piece."""
    at = list(rows)
    return Piece(
        piece.name,
        tuple(piece.rows[row] for row in at),
        {name: np.ascontiguousarray(array[at]) for name, array in piece.inputs.items()},
        {name: np.ascontiguousarray(array[at]) for name, array in piece.given.items()},
        np.ascontiguousarray(piece.seen[at]),
        piece.judged[at],
    )


def sources(original: Original, tap: str, traced: Sequence[str]) -> tuple[str, ...]:
    """The traced taps that the station is computed from."""
    stages = needed(original.reference.stages, [tap], given=traced)
    needs = {need for stage in stages for need in stage.needs}
    return tuple(name for name in traced if name in needs)


def _piece(original: Original, path: Path, tap: str, held: Mapping[str, str] | None) -> Piece | None:
    batch = read_batch(path)
    if held is None:
        taps = dict(batch.taps)
    else:
        taps = {name: batch.taps[other] for name, other in held.items() if other in batch.taps}
    if batch.skipped is not None or tap not in taps:
        return None
    known = [stage.name for stage in original.reference.stages if stage.name in taps]
    given = {name: taps[name] for name in sources(original, tap, known)}
    seen = taps[tap]
    axes = original.axes_of(tap, seen.shape, batch.inputs)
    judged = np.stack([_judged(axes, seen, batch.inputs, row) for row in range(len(seen))])
    name = str(batch.meta.get("name") or path.stem)
    return Piece(name, tuple(range(len(seen))), batch.inputs, given, seen, judged)


def _judged(axes: str, seen: Array, inputs: Mapping[str, Array], row: int) -> Bools:
    """Of one row; its first axis is gone."""
    mine = {name: array[row : row + 1] for name, array in inputs.items()}
    places = places_of(axes, (1, *seen.shape[1:]), mine)
    chosen = np.ones((1, *seen.shape[1:-1]), bool) if places.real is None else np.array(places.real)
    if places.positions is not None:
        _, first = np.unique(places.positions, return_index=True)
        chosen[:, np.setdiff1d(np.arange(places.positions.size), first)] = False
    found: Bools = chosen[0]
    return found


def _own(original: Original, piece: Piece, tap: str, ops: NumpyOps) -> Sequence[float]:
    """Of each row, the largest error of any of its tokens; what is not finite is largest."""
    given = {name: array.astype(np.float64) for name, array in piece.given.items()}
    value = walk(original.reference.stages, ops, piece.inputs, [tap], given=given)[tap]
    with np.errstate(all="ignore"):
        squares = np.square(piece.seen.astype(np.float64) - value).mean(axis=-1)
    squares = np.where(np.isfinite(squares), squares, np.inf)
    return [float(mine[judged].max()) for mine, judged in zip(squares, piece.judged, strict=True) if judged.any()]


def _cost(original: Original, piece: Piece, tap: str, row: int) -> float:
    """Share of the sample's budget that a row takes."""
    values = int(piece.judged[row].sum()) * piece.seen.shape[-1]
    mask = piece.inputs.get("attention_mask")
    tokens = int((mask[row] == 1).sum()) if mask is not None else piece.inputs["input_ids"].shape[1]
    # One position per row: what is taken of the row is little, and positions are what there must be enough of.
    little = "T" not in original.axes.get(tap, "T") and "Q" not in original.axes.get(tap, "T")
    return float(max(tokens / TOKENS / (8 if little else 1), values / VALUES))


def _choose(badness: Array, cost: Array) -> list[int]:
    """Worst rows up to half of the budget, then every so manieth of the others."""
    order = np.argsort(-badness, kind="stable")
    chosen = list[int]()
    spent = 0.0
    for index in order:
        if chosen and spent + cost[index] > 0.5:
            break
        chosen.append(int(index))
        spent += float(cost[index])
    others = [int(index) for index in np.arange(len(badness)) if index not in chosen]
    wanted = sum(float(cost[index]) for index in others) / max(1.0 - spent, 1e-9)
    # A long row alone may have spent everything: no stride is then wide enough.
    stride = min(max(1, int(np.ceil(wanted))), max(1, len(others)))
    for index in (i for start in range(stride) for i in others[start::stride]):
        if spent + cost[index] <= 1.0:
            chosen.append(index)
            spent += float(cost[index])
    return chosen
