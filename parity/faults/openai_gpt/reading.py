"""R: chunks that are not those of their shapes, or not in their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from parity.checkpoints.flat import CHUNKS, SHAPES, chunk_name
from parity.faults.values import Fault, Source
from parity.tensorfile import Array


def _exchanged(one: int, other: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        first, second, between = folder / chunk_name(one), folder / chunk_name(other), folder / "between"
        first.rename(between)
        second.rename(first)
        between.rename(second)

    return spoil


def _rewritten(number: int, change: Callable[[Array], Array]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / chunk_name(number)
        np.save(path, change(np.load(path, allow_pickle=False)))

    return spoil


def _missing(folder: Path) -> None:
    (folder / chunk_name(5)).unlink()


def _one_more(folder: Path) -> None:
    np.save(folder / chunk_name(CHUNKS), np.zeros(7, np.float32))


def _tables_exchanged(folder: Path) -> None:
    shapes = json.loads((folder / SHAPES).read_text(encoding="utf-8"))
    (folder / SHAPES).write_text(json.dumps([shapes[1], shapes[0], *shapes[2:]]), encoding="utf-8")


def _fault(id: str, variant: str, what: str, place: str, spoil: Callable[[Path], None]) -> Fault:  # noqa: A002 - as the field
    return Fault(id=id, variant=variant, verdict="refused", place=place, what=what, inject=Source(files=spoil))


FAULTS = (
    _fault("R-09", "missing", "a chunk is missing", chunk_name(5), _missing),
    _fault("R-09", "left over", "an eleventh chunk", chunk_name(CHUNKS), _one_more),
    _fault(
        "R-09", "extra data", "seven numbers behind the last tensor", chunk_name(9),
        _rewritten(9, lambda x: np.append(x, np.zeros(7, x.dtype))),
    ),
    _fault("R-09", "short", "the last chunk lacks a number", chunk_name(9), _rewritten(9, lambda x: x[:-1])),
    _fault("R-09", "swapped", "two chunks exchanged", "params_", _exchanged(8, 9)),
    _fault("R-10", "tables", "positions and tokens exchanged in the shapes", "", _tables_exchanged),
)  # fmt: skip
