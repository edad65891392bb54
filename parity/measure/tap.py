"""The streaming measure of one tap: batch after batch goes in, deviation rows and pooled metrics come out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parity.measure.metrics import compute
from parity.measure.sums import PAIRS, Floats, Pair, Party, Sums
from parity.measure.sweep import Swept, sweep
from parity.tensorfile import Array

DTYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "float64": ("float64",),
    "float32": ("float32",),
    "float16": ("float16", "float32"),
    "bfloat16": ("bfloat16", "float32"),
    "int8": ("float32", "float16", "bfloat16"),
}
"""Dtypes a tap may have, by the precision its run claims: runtimes often hand lower precisions out as float32."""
_REFERENCES: Final[Mapping[Party, tuple[str, ...]]] = {"source": ("float32", "float64"), "oracle": ("float64",)}


@dataclass(frozen=True)
class Worst:
    """The value that deviates most, from the oracle or, without one, from the source; non-finite before all."""

    batch: str
    row: int
    position: int | None
    """Its token, where the tap has one."""
    channel: int
    candidate: float
    source: float | None
    oracle: float | None

    def as_dict(self) -> dict[str, Any]:
        """As event and JSON have it."""
        return asdict(self)


@dataclass(frozen=True)
class RowErrors:
    """Per batch row [B]: values compared, and rms of each difference (NaN where nothing was compared)."""

    count: NDArray[np.int64]
    rms: Floats | None
    rms_oracle: Floats | None
    source_rms_oracle: Floats | None


@dataclass(frozen=True)
class BatchDeviation:
    """One batch's deviation row."""

    batch: str
    metrics: Mapping[str, float]
    rows: RowErrors
    worst: Worst | None


class TapMeasure:
    """Accumulates one tap of one candidate over a run's batches, in memory that does not grow with them.

    What cannot be compared is not an exception but a problem, collected in words: the verdict turns red.
    """

    def __init__(self, name: str, *, precision: str = "float32") -> None:
        self.name, self.precision = name, precision
        self.sums: Sums | None = None
        self.worst: Worst | None = None
        self.batches: list[BatchDeviation] = []
        self.problems: list[str] = []
        self.skips: list[str] = []
        if precision not in DTYPES:
            self.problems.append(f"claims an unknown precision {precision!r}, expected one of {', '.join(DTYPES)}")

    @property
    def metrics(self) -> dict[str, float]:
        """Pooled over all batches so far; empty before the first."""
        return compute(self.sums) if self.sums else {}

    def refuse(self, batch: str, why: str) -> None:
        """Note that a batch could not be compared: the verdict will fail."""
        self.problems.append(f"batch {batch}: {why}")

    def skip(self, batch: str, reason: str) -> None:
        """Note that the runtime declared it cannot show this tap for this batch."""
        self.skips.append(f"batch {batch}: {reason}")

    def update(
        self,
        candidate: Array | None,
        source: Array | None = None,
        oracle: Array | None = None,
        *,
        batch: str,
        real: NDArray[np.bool_] | None = None,
        positions: Array | None = None,
    ) -> BatchDeviation | None:
        """Measure one batch.

        Args:
            candidate: [B, ..., C] in a dtype that its precision allows; None if the runtime gave none.
            source: the source's own run, float32, same shape; None if there is none.
            oracle: float64, same shape; None if there is none.
            batch: name of the batch.
            real: bool over the leading axes [B, ...] (all but C, or fewer): which positions count; None for all.
            positions: int [B, Q]: the token behind each position of axis 1, where that is not the axis' own number.

        Returns:
            The batch's deviation row, or None if it could not be compared, which is then in `problems`.
        """
        given: dict[Party, Array | None] = {"candidate": candidate, "source": source, "oracle": oracle}
        parties = {party: array for party, array in given.items() if array is not None}
        trouble = self._trouble(parties, real)
        if trouble:
            self.refuse(batch, trouble)
            return None
        shape = parties["candidate"].shape
        chosen = _chosen(real, shape)
        swept = sweep({party: array.reshape(-1, shape[-1]) for party, array in parties.items()}, chosen)
        worst = _worst(batch, parties, swept, chosen, positions)
        row = BatchDeviation(batch, compute(swept.sums), _rows(swept, chosen, shape), worst)
        if worst is not None and (self.worst is None or _size(worst) > _size(self.worst)):
            self.worst = worst
        self.sums = swept.sums if self.sums is None else self.sums + swept.sums
        self.batches.append(row)
        return row

    def _trouble(self, parties: Mapping[Party, Array], real: NDArray[np.bool_] | None) -> str | None:
        if "candidate" not in parties:
            return "the tap is missing"
        shape, dtype = parties["candidate"].shape, parties["candidate"].dtype.name
        allowed: Mapping[Party, tuple[str, ...]] = {**_REFERENCES, "candidate": DTYPES.get(self.precision, ())}
        for party, array in parties.items():
            if array.dtype.name not in allowed[party]:
                expected = " or ".join(allowed[party]) or "a known precision"
                return f"{party} has dtype {array.dtype.name}, expected {expected}"
            if array.shape != shape:
                return f"candidate {dtype} has shape {list(shape)}, {party} has {list(array.shape)}"
        if len(shape) < 2:
            return f"shape {list(shape)} has no channel axis"
        if real is not None and (real.dtype != np.bool_ or real.ndim >= len(shape) or real.shape != shape[: real.ndim]):
            return f"mask {real.dtype.name} {list(real.shape)} does not fit shape {list(shape)}"
        if not math.prod(shape) or (real is not None and not real.any()):
            return "nothing to compare: no real position"
        if self.sums is not None and self.sums.squares.keys() != (parties.keys() - {"candidate"} or {"candidate"}):
            return "source or oracle is missing here, while other batches have it (or the other way round)"
        return None


def _chosen(real: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.intp] | None:
    if real is None or real.all():
        return None
    whole = real.reshape(real.shape + (1,) * (len(shape) - 1 - real.ndim))
    return np.flatnonzero(np.broadcast_to(whole, shape[:-1]))


def _worst(
    batch: str,
    parties: Mapping[Party, Array],
    swept: Swept,
    chosen: NDArray[np.intp] | None,
    positions: Array | None,
) -> Worst | None:
    if swept.worst is None:
        return None
    place, channel = swept.worst
    shape = parties["candidate"].shape
    index = np.unravel_index(place if chosen is None else int(chosen[place]), shape[:-1])
    row, *inner = (int(i) for i in index)
    position = inner[0] if len(inner) == 1 else None
    if position is not None and positions is not None:
        position = int(positions[row, position])
    values = {party: float(array[(*index, channel)]) for party, array in parties.items()}
    return Worst(batch, row, position, channel, values["candidate"], values.get("source"), values.get("oracle"))


def _size(worst: Worst) -> float:
    reference = worst.oracle if worst.oracle is not None else worst.source
    size = abs(worst.candidate - (reference or 0.0))
    return size if math.isfinite(size) else math.inf


def _rows(swept: Swept, chosen: NDArray[np.intp] | None, shape: tuple[int, ...]) -> RowErrors:
    per_row = math.prod(shape[1:-1])
    owner = np.arange(shape[0] * per_row) if chosen is None else chosen
    positions = np.bincount(owner // per_row, minlength=shape[0])
    rms: dict[Pair, Floats] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for pair, squares in swept.positions.items():
            sums = np.bincount(owner // per_row, weights=squares, minlength=shape[0])
            rms[pair] = np.sqrt(sums / (positions * shape[-1]))
    return RowErrors(positions * shape[-1], *(rms.get(pair) for pair in PAIRS))
