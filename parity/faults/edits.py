"""Ways to spoil tensors, as values for the tables. Names are templates: `{middle}` is the layer in the middle.

Nothing here is shared with the diagnosis: what is injected must not be what is looked for by construction.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from parity.faults.values import Edit, Layout, Tensors, fill
from parity.tensorfile import Array


def changed(name: str, change: Callable[[Array], Array]) -> Edit:
    """One tensor goes through a function."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        found = fill(name, layout)
        before = tensors[found]
        tensors[found] = np.ascontiguousarray(change(before.copy())).astype(before.dtype, copy=False)

    return spoil


def transposed(name: str) -> Edit:
    """A square kernel lies the other way round."""
    return changed(name, lambda x: x.T)


def scrambled(name: str) -> Edit:
    """The bytes of the transposed tensor under the shape of the right one: a view that was saved as if contiguous."""
    return changed(name, lambda x: np.ascontiguousarray(x.T).reshape(x.shape))


def filled(name: str, value: float) -> Edit:
    """Every element is the same number."""
    return changed(name, lambda x: np.full_like(x, value))


def scaled(name: str, factor: float) -> Edit:
    """Every element is multiplied."""
    return changed(name, lambda x: x * factor)


def drawn(name: str, deviation: float = 0.02) -> Edit:
    """As a framework initialises what it did not load: normal, of BERT's own deviation."""
    return changed(name, lambda x: np.random.default_rng(3).normal(0, deviation, x.shape))


def noisy(pattern: str, deviation: float) -> Edit:
    """Tensors of other training steps: each differs by noise of that size, relative to its own rms."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        rng = np.random.default_rng(4)
        for name, array in tensors.items():
            if re.search(pattern, name):
                size = deviation * float(np.sqrt(np.square(array, dtype=np.float64).mean()))
                tensors[name] = (array + rng.normal(0, size, array.shape)).astype(array.dtype)

    return spoil


def one_element(name: str, factor: float) -> Edit:
    """A single element, in the middle of the tensor, is multiplied."""

    def change(x: Array) -> Array:
        x[tuple(size // 2 for size in x.shape)] *= factor
        return x

    return changed(name, change)


def swapped(one: str, other: str) -> Edit:
    """Two tensors of one shape change places."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        a, b = fill(one, layout), fill(other, layout)
        tensors[a], tensors[b] = tensors[b], tensors[a]

    return spoil


def overwritten(name: str, by: str) -> Edit:
    """A tensor holds what belongs to another of its shape."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        tensors[fill(name, layout)] = tensors[fill(by, layout)].copy()

    return spoil


def removed(name: str) -> Edit:
    """A tensor is not there."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        del tensors[fill(name, layout)]

    return spoil


def added(name: str, make: Callable[[Tensors], Array]) -> Edit:
    """A tensor that should not be there."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        tensors[fill(name, layout)] = make(tensors)

    return spoil


def renamed(pattern: str, by: str) -> Edit:
    """Names in which a pattern is replaced."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        for old in list(tensors):
            new = re.sub(pattern, by, old)
            if new != old:
                tensors[new] = tensors.pop(old)

    return spoil


def reordered(prefix: str) -> Edit:
    """Layers in the order of their names' letters: 0, 1, 10, 11, 2, ... `prefix` ends before the number."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        held = dict(tensors)
        for place, layer in enumerate(sorted(map(str, range(layout.config.layers)))):
            for name in held:
                if name.startswith(f"{prefix}{layer}."):
                    tensors[name.replace(f"{prefix}{layer}.", f"{prefix}{place}.", 1)] = held[name]

    return spoil


def split_by_head(*names: str) -> Edit:
    """Query, key and value, fused into one kernel [3H, ...] and split per head where they lie block after block."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        found = [fill(name, layout) for name in names]
        fused = np.concatenate([tensors[name] for name in found])
        heads = layout.config.heads
        parted = fused.reshape(heads, len(found), -1, *fused.shape[1:])
        for place, name in enumerate(found):
            tensors[name] = np.ascontiguousarray(parted[:, place].reshape(tensors[name].shape))

    return spoil


def rounded(pattern: str, dtype: str) -> Edit:
    """Values of a lower precision under a float32 label."""
    from parity.tensorfile import numpy_dtype

    def spoil(tensors: Tensors, layout: Layout) -> None:
        for name, array in tensors.items():
            if re.search(fill(pattern, layout), name):
                tensors[name] = array.astype(numpy_dtype(dtype)).astype(array.dtype)

    return spoil


def rows_from(name: str, start: int, *, by: int) -> Edit:
    """From row `start` on, every row holds what belongs to the row `by` before it."""

    def change(x: Array) -> Array:
        moved = x.copy()
        moved[start:] = x[start - by : len(x) - by]
        return moved

    return changed(name, change)


def late_rows(name: str) -> Edit:
    """The second half of the rows hold what belongs to the row before."""

    def change(x: Array) -> Array:
        half = len(x) // 2
        return np.concatenate([x[:half], x[half - 1 : -1]])

    return changed(name, change)


def turned(name: str, by: int) -> Edit:
    """Row i holds row i + by; behind the end the first rows follow."""
    return changed(name, lambda x: np.roll(x, -by, axis=0))


def spoilt_row(name: str, row: Callable[[Layout], int]) -> Edit:
    """One row becomes zero."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name][row(layout)] = 0

    return spoil


def every(edit: Edit) -> Edit:
    """The same edit in every layer."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        for k in range(layout.config.layers):
            edit(tensors, replace(layout, middle=k))

    return spoil


def both(*edits: Edit) -> Edit:
    """One after the other."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        for edit in edits:
            edit(tensors, layout)

    return spoil
