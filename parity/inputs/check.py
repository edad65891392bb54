"""Is a batch from outside one that this model can be run on? Everything that is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from parity.errors import Problems
from parity.families.values import Feeds
from parity.inputs.batch import Batch, spread_positions
from parity.inputs.extras import check_states, check_streams, unmeant
from parity.tensorfile import Array

ARRAYS = ("input_ids", "attention_mask", "token_type_ids", "logit_positions")
_TWO_STREAMS = ("perm_mask", "target_mapping")
_INTEGERS = ("int32", "int64")


_PLAIN = Feeds()
_NO_STATES: Mapping[str, tuple[int, ...]] = {}


@dataclass(frozen=True)
class _Range:
    """What the values of one array may be: 0 to `count` - 1."""

    count: int
    meaning: str
    remedy: str


def check_batch(
    batch: Batch,
    *,
    vocab_size: int,
    positions: int,
    token_types: int,
    feeds: Feeds = _PLAIN,
    states: Mapping[str, tuple[int, ...]] = _NO_STATES,
    where: str | PathLike[str] | None = None,
) -> Batch:
    """Check a batch against a model's sizes and complete it.

    Args:
        batch: as read. int64 is accepted; `attention_mask` may be absent (all ones), `token_type_ids` (zeros) and
            `logit_positions` (8 real positions a row).
        vocab_size: rows of the embedding table.
        positions: rows of the position table.
        token_types: rows of the token type table; 0 = there is none.
        feeds: what else the architecture takes.
        states: shape of each state it takes, for one row and a length of 1.
        where: the file to name in an error.

    Returns:
        The batch with all arrays that the model takes, whole numbers int32, the others float32, C-ordered. For an
        architecture without a mask, one whose padding is not on the right alone is marked as skipped.

    Raises:
        ParityError: unknown arrays, wrong rank, shape or dtype, values out of range, rows without a real position,
            logits asked for at masked positions, texts that do not belong to the rows.
    """
    problems = Problems("these inputs cannot be used", where=where)
    integers = tuple(name for name in ARRAYS if token_types or name != "token_type_ids")
    known = (*integers, *states, *(_TWO_STREAMS if feeds.two_streams else ()))
    for name in sorted(set(batch.arrays) - set(known)):
        problems.add(f"unknown array {name}", expected=f"one of {', '.join(known)}, texts", remedy="leave it out")
    shape = _rows_and_length(batch.arrays, positions, problems)
    arrays: dict[str, Array] = {}
    if shape is not None:
        limits = {
            "input_ids": _Range(vocab_size, "the vocabulary's ids", "tokenize with this model's own vocabulary"),
            "attention_mask": _Range(2, "1 = real", "write 1 for real positions, 0 for padding"),
            "token_type_ids": _Range(token_types, "the model's token types", "write 0, and 1 for a second text"),
            "logit_positions": _Range(shape[1], "positions of the row", "leave the array out for a default"),
        }
        arrays = _completed(batch.arrays, shape, {name: limits[name] for name in integers}, problems)
        arrays |= check_states(batch.arrays, shape, states, problems)
        arrays |= check_streams(batch.arrays, shape, problems) if feeds.two_streams else {}
        _check_texts("texts", batch.texts, shape[0], problems)
        _check_texts("shown texts", batch.shown or None, shape[0], problems)
    problems.raise_if_any()
    narrowed = {
        name: np.ascontiguousarray(array, np.int32 if name in ARRAYS else np.float32) for name, array in arrays.items()
    }
    skipped = None if feeds.masked else unmeant(narrowed["attention_mask"])
    return replace(batch, arrays=narrowed, shown=batch.shown or batch.texts or (), skipped=skipped)


def _completed(
    given: Mapping[str, Array], shape: tuple[int, int], limits: Mapping[str, _Range], problems: Problems
) -> dict[str, Array]:
    """The sound ones among the given and the default arrays."""
    defaults = {"attention_mask": np.ones(shape, np.int32), "token_type_ids": np.zeros(shape, np.int32)}
    arrays: dict[str, Array] = {}
    for name in limits:
        if name == "logit_positions" and name not in given:
            if "attention_mask" in arrays:
                arrays[name] = spread_positions(arrays["attention_mask"])
            continue
        array = given[name] if name in given else defaults[name]
        if _fits(name, array, shape, problems) and _in_range(name, array, limits[name], problems):
            arrays[name] = array
    if {"attention_mask", "logit_positions"} <= set(arrays):
        _check_real(arrays["attention_mask"], arrays["logit_positions"], problems)
    return arrays


def _rows_and_length(arrays: Mapping[str, Array], positions: int, problems: Problems) -> tuple[int, int] | None:
    ids = arrays.get("input_ids")
    if ids is None:
        problems.add("no array input_ids", remedy="write token ids as input_ids [rows, length]")
        return None
    if ids.ndim != 2 or 0 in ids.shape:
        what = "an empty batch" if 0 in ids.shape else "input_ids has the wrong rank"
        problems.add(what, got=f"shape {ids.shape}", expected="[rows, length]", remedy="give at least one token")
        return None
    rows, length = ids.shape
    if length > positions:
        problems.add(
            "rows are longer than the model has positions",
            got=length,
            expected=f"at most {positions}",
            remedy="cut the texts",
        )
    return rows, length


def _fits(name: str, array: Array, shape: tuple[int, int], problems: Problems) -> bool:
    if array.dtype.name not in _INTEGERS:
        problems.add(f"{name} has the wrong dtype", got=array.dtype.name, expected="int32", remedy="convert it")
        return False
    if name == "logit_positions":
        good, expected = array.ndim == 2 and len(array) == shape[0] and array.shape[1] > 0, f"({shape[0]}, any)"
    else:
        good, expected = array.shape == shape, str(shape)
    if not good:
        remedy = "give every array one row per row of input_ids"
        problems.add(f"{name} has the wrong shape", got=array.shape, expected=expected, remedy=remedy)
    return good


def _in_range(name: str, array: Array, allowed: _Range, problems: Problems) -> bool:
    wrong = np.argwhere((array < 0) | (array >= allowed.count))
    if not len(wrong):
        return True
    row, position = (int(index) for index in wrong[0])
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    problems.add(
        f"{name} at row {row}, position {position} is out of range{more}",
        got=int(array[row, position]),
        expected=f"0 to {allowed.count - 1}, {allowed.meaning}",
        remedy=allowed.remedy,
    )
    return False


def _check_real(mask: Array, chosen: Array, problems: Problems) -> None:
    empty = np.flatnonzero(~(mask == 1).any(axis=1))
    if empty.size:
        problems.add(
            f"row {empty[0]} has no real position: nothing in it can be compared",
            got="attention_mask all 0",
            remedy="leave the row out",
        )
        return
    masked = np.argwhere(np.take_along_axis(mask, chosen.astype(np.int64), axis=1) != 1)
    if len(masked):
        row, column = (int(index) for index in masked[0])
        problems.add(
            f"logit_positions at row {row} names position {chosen[row, column]}, which is masked",
            remedy="name real positions",
        )


def _check_texts(what: str, texts: Sequence[str] | None, rows: int, problems: Problems) -> None:
    if texts is None:
        return
    if len(texts) != rows:
        problems.add(f"{what} do not belong to the rows", got=len(texts), expected=rows, remedy="one text a row")
    for number, text in enumerate(texts):
        if any("\ud800" <= char <= "\udfff" for char in text):
            problems.add(f"number {number} of the {what} holds half a surrogate pair", remedy="write valid Unicode")
