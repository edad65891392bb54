"""Other ways to feed the same rows: what a sound runtime answers at the real positions must not change by them.

Each transform takes a batch apart into one or several others and remembers which row of the original each of their
rows is. Only padding is ever added, on the side where the source pads: on the right a real position keeps its number,
on the left (XLNet, whose heads read a row's last position) it moves by what was added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from parity.errors import BrokenParity
from parity.inputs.batch import Batch
from parity.tensorfile import Array

PADDING: Final = 7
"""Columns that are added: odd, so that kernels which work on groups of 4 to 64 tokens have another remainder."""
_ALONG_TOKENS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class Piece:
    """A batch to run in place of (a part of) the original."""

    batch: Batch
    rows: tuple[int, ...]
    """Which row of the original each row of `batch` is."""


Transform: TypeAlias = Callable[[Batch], tuple[Piece, ...]]


def padded(
    batch: Batch, *, pad: int = 0, more: int = PADDING, left: bool = False, padding_type: int = 0
) -> tuple[Piece, ...]:
    """Every row `more` columns longer, on the right unless `left`, masked, with the id `pad` and that token type."""
    fill = {"input_ids": pad, "token_type_ids": padding_type}
    width = ((0, 0), (more, 0) if left else (0, more))
    arrays = {
        name: np.pad(array, width, constant_values=fill.get(name, 0)) if name in _ALONG_TOKENS else array
        for name, array in batch.arrays.items()
    }
    if left:
        arrays["logit_positions"] = arrays["logit_positions"] + np.int32(more)
    return (Piece(replace(batch, name=f"{batch.name} padded", arrays=arrays), tuple(range(_rows(batch)))),)


def alone(batch: Batch) -> tuple[Piece, ...]:
    """Every row as a batch of its own, as long as it was."""
    return tuple(_piece(batch, (row,), f"row {row}") for row in range(_rows(batch)))


def backwards(batch: Batch) -> tuple[Piece, ...]:
    """The last row first."""
    return (_piece(batch, tuple(reversed(range(_rows(batch)))), "backwards"),)


def unchanged(batch: Batch) -> tuple[Piece, ...]:
    """The same batch once more."""
    return (_piece(batch, tuple(range(_rows(batch))), "again"),)


def restored(
    axes: str, pieces: Sequence[Piece], answers: Sequence[Array], shape: tuple[int, ...], *, left: bool = False
) -> Array:
    """What was answered to the pieces, in the original's order of rows and without what padding was added.

    Args:
        axes: of the tap, B first, such as `BTC`.
        pieces: of one batch.
        answers: one array per piece.
        shape: of the tap on the original.
        left: what padding was added is on the left.

    Returns:
        An array of that shape.

    Raises:
        BrokenParity: the answers do not fit the pieces, or some row of the original is not among them or is twice.
    """
    rows = [row for piece in pieces for row in piece.rows]
    if sorted(rows) != list(range(shape[0])) or len(pieces) != len(answers):
        raise BrokenParity("pieces that do not make up the batch", got=sorted(rows), expected=f"0 to {shape[0] - 1}")
    if len({(array.dtype, array.shape[1:]) for array in answers}) != 1 or any(
        len(array) != len(piece.rows) for piece, array in zip(pieces, answers, strict=True)
    ):
        raise BrokenParity("answers that do not fit what was fed", got=[list(array.shape) for array in answers])
    for piece, array in zip(pieces, answers, strict=True):
        fed = piece.batch.arrays["input_ids"].shape[1]
        if "T" in axes and array.ndim == len(axes) and array.shape[axes.index("T")] != fed:
            raise BrokenParity(
                "an answer for another number of tokens", got=list(array.shape), expected=f"{fed} tokens"
            )
    joined = np.concatenate(answers)[np.argsort(rows)]
    kept = tuple(
        (slice(-length, None) if left else slice(length)) if letter == "T" else slice(None)
        for letter, length in zip(axes, shape, strict=False)
    )
    found: Array = joined[kept]
    if len(axes) != len(shape) or found.shape != shape:
        raise BrokenParity(
            "an answer of another shape than the original's", got=list(joined.shape), expected=list(shape)
        )
    return found


def _piece(batch: Batch, rows: tuple[int, ...], how: str) -> Piece:
    chosen = list(rows)
    arrays: Mapping[str, Array] = {name: np.ascontiguousarray(array[chosen]) for name, array in batch.arrays.items()}
    texts, shown = (
        None if of is None else tuple(of[row] for row in chosen if row < len(of)) for of in (batch.texts, batch.shown)
    )
    return Piece(replace(batch, name=f"{batch.name} {how}", arrays=arrays, texts=texts, shown=shown or ()), rows)


def _rows(batch: Batch) -> int:
    return len(batch.arrays["input_ids"])
