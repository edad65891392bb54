"""Ways to spoil kernels that hold query, key and value side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.faults.edits import changed
from parity.faults.values import Edit, Layout, Tensors, fill
from parity.tensorfile import Array


def _parts(x: Array, of: int) -> list[Array]:
    return np.split(x, of, axis=-1)


def part(name: str, place: int, change: Callable[[Array], Array], *, of: int = 3) -> Edit:
    """One of `of` equal parts along the last axis, as query, key and value lie in a fused kernel, is changed."""

    def spoil(x: Array) -> Array:
        parts = _parts(x, of)
        parts[place] = change(parts[place])
        return np.concatenate(parts, axis=-1)

    return changed(name, spoil)


def parts_swapped(name: str, one: int, other: int, *, of: int = 3) -> Edit:
    """Two of those parts change places."""

    def spoil(x: Array) -> Array:
        parts = _parts(x, of)
        parts[one], parts[other] = parts[other], parts[one]
        return np.concatenate(parts, axis=-1)

    return changed(name, spoil)


def columns_by_head(name: str, *, of: int = 3) -> Edit:
    """A fused kernel [.., of * heads * size] whose columns lie head after head in place of part after part."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        found = fill(name, layout)
        x = tensors[found]
        split = x.reshape(*x.shape[:-1], of, layout.config.heads, -1)
        tensors[found] = np.ascontiguousarray(np.swapaxes(split, -3, -2).reshape(x.shape))

    return spoil


def on_rows(edit: Edit, *names: str) -> Edit:
    """An edit of last axes, done to the first axis of these tensors: kernels that lie [out, in]."""

    def spoil(tensors: Tensors, layout: Layout) -> None:
        for name in names:
            found = fill(name, layout)
            tensors[found] = np.ascontiguousarray(tensors[found].T)
        edit(tensors, layout)
        for name in names:
            found = fill(name, layout)
            tensors[found] = np.ascontiguousarray(tensors[found].T)

    return spoil
