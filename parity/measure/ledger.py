"""Who is to blame for the error at the end: shares of the stations' own errors, and whether they add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.tensorfile import Array


@dataclass(frozen=True)
class Ledger:
    """One batch's ledger; positions that do not count are left out."""

    shares: Mapping[str, float]
    """Per station <d_k, total> / <total, total>: they add up to 1, and one that cancels others is negative."""
    sizes: Mapping[str, float]
    """Per station, rms of what its own error becomes at the end."""
    total: float
    """rms of the error at the end."""
    gap: float
    """rms(sum of all - total) over rms(total): the identity holds to float64's rounding."""

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        return {"shares": dict(self.shares), "sizes": dict(self.sizes), "total": self.total, "gap": self.gap}


def balance(summands: Mapping[str, Array], total: Array, real: NDArray[np.bool_] | None = None) -> Ledger:
    """Balance a ledger.

    Args:
        summands: per station G_k(h[k]) - G_k(L_k(h[k-1])), [B, ..., C] float64, in the order data flows.
        total: h[n] - o[n], same shape.
        real: bool over the leading axes: which positions count.
    """
    chosen = np.ones(total.shape[:-1], bool) if real is None else real
    whole = total[chosen]
    square = float(np.sum(np.square(whole)))
    parts = {tap: value[chosen] for tap, value in summands.items()}
    shares = {tap: float(np.sum(part * whole)) / square if square else math.nan for tap, part in parts.items()}
    rest = whole - np.sum(list(parts.values()), axis=0)
    return Ledger(
        shares=shares,
        sizes={tap: _rms(part) for tap, part in parts.items()},
        total=_rms(whole),
        gap=_rms(rest) / _rms(whole) if square else _rms(rest),
    )


def _rms(values: Array) -> float:
    return math.sqrt(float(np.mean(np.square(values)))) if values.size else math.nan
