"""S: what other tools have let pass in silence; done to the trace of a sound run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from parity.faults.values import Fault, Layout, Runtime, Trace
from parity.tensorfile import Array
from parity.traces import TraceBatch

_SMALL = np.float32(1e-4)


def _on(tap: str, change: Callable[[Array], Array]) -> Trace:
    """One tap of the first batch goes through a function."""

    def edit(batches: list[TraceBatch], layout: Layout) -> list[TraceBatch]:
        first = batches[0]
        spoilt = replace(first, taps={**first.taps, tap: np.ascontiguousarray(change(first.taps[tap].copy()))})
        return [spoilt, *batches[1:]]

    return Trace(edit)


def _without(tap: str) -> Trace:
    def edit(batches: list[TraceBatch], layout: Layout) -> list[TraceBatch]:
        return [replace(one, taps={name: x for name, x in one.taps.items() if name != tap}) for one in batches]

    return Trace(edit)


def _skipped(batches: list[TraceBatch], layout: Layout) -> list[TraceBatch]:
    return [replace(one, taps={}, meta={**one.meta, "skipped": "no reason"}) for one in batches]


def _surplus(batches: list[TraceBatch], layout: Layout) -> list[TraceBatch]:
    return [*batches, batches[0]]


def _fewer(batches: list[TraceBatch], layout: Layout) -> list[TraceBatch]:
    return batches[:-1]


def _nan(x: Array) -> Array:
    x[:, x.shape[1] // 2, 0] = np.nan  # the longest row is no padding there, whichever side is padded
    return x


def _first_row_right(x: Array) -> Array:
    x[1:] += _SMALL
    return x


def _no_mean(x: Array) -> Array:
    flat = x.reshape(-1)
    flat[0::2] += _SMALL
    flat[1::2] -= _SMALL
    return x


_TAP = "layer.0"


def _red(id_: str, variant: str, what: str, inject: Trace, *, place: str = _TAP) -> Fault:
    return Fault(id=id_, variant=variant, what=what, inject=inject, verdict="completeness", place=place)


def _tap(id_: str, variant: str, what: str, change: Callable[[Array], Array]) -> Fault:
    return Fault(id=id_, variant=variant, what=what, inject=_on(_TAP, change), place=_TAP)


FAULTS = (
    _red("S-01", "missing tap", "a tap is not in the trace", _without(_TAP)),
    _red("S-02", "surplus batch", "a batch nobody asked for", Trace(_surplus), place=""),
    _red("S-02", "missing batch", "the last batch is missing", Trace(_fewer), place=""),
    _red("S-03", "NaN", "one position is NaN", _on(_TAP, _nan)),
    _red("S-04", "equal NaN", "and the same one in the source's run", replace(_on(_TAP, _nan), source_too=True)),
    _red("S-05", "shape", "the last position is missing", _on(_TAP, lambda x: x[:, :-1])),
    _red("S-05", "dtype", "float64 under a float32 claim", _on(_TAP, lambda x: x.astype(np.float64))),
    _red("S-06", "all skipped", "every batch is declared skipped", Trace(_skipped), place=""),
    _tap("S-07", "constant", "one number throughout", lambda x: np.full_like(x, 0.25)),
    _tap("P-02", "zeros", "vectors that are all zero", np.zeros_like),
    _tap("S-08", "first row right", "only the first row is right", _first_row_right),
    _tap("S-09", "signed mean", "half of all values up, half down by the same", _no_mean),
    Fault(
        id="S-10", variant="exception", what="the runtime fails on its first batch", inject=Runtime("raises"),
        verdict="refused", place="no kernel for this shape",
    ),
    Fault(
        id="S-10", variant="exception declared a skip", what="an exception is told as a batch that cannot be taken",
        inject=Runtime("skips"), verdict="completeness",
    ),
)  # fmt: skip
