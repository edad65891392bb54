"""Other checkpoints of the same function: units, heads and neurons in another order.

Every sum then has its terms in another order, so its roundings are others, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from parity.faults.edits import every
from parity.faults.values import Edit, Layout, Tensors, fill
from parity.tensorfile import Array

_LAYER = "bert.encoder.layer.{middle}."
_SEED = 8


def units_order(hidden: int) -> Array:
    """Which unit each unit of the permuted model is."""
    return np.random.default_rng(_SEED).permutation(hidden)


def units(tensors: Tensors, layout: Layout) -> None:
    """All hidden units in another order, from the embeddings to the vocabulary; the pooler's stay."""
    order = units_order(layout.config.hidden_size)
    ends = {  # which axes of a tensor are hidden units
        "bert.embeddings.": (-1,),
        "attention.self.": (1,),
        "attention.output.": (0,),
        "intermediate.": (1,),
        ".output.": (0,),
        "bert.pooler.": (1,),
        "cls.predictions.transform.": (0, 1),
    }
    for name, array in tensors.items():
        axes = next((axes for part, axes in ends.items() if part in name), ())
        for axis in axes:
            fits = axis < array.ndim and not (axis == 1 and array.ndim == 1)
            if fits:
                array = np.take(array, order, axis=axis)
        tensors[name] = np.ascontiguousarray(array)


def restored_units(taps: Mapping[str, Array]) -> dict[str, Array]:
    """The taps of such a model with their units as before; heads and pooler have them already."""
    found = dict(taps)
    for name, array in taps.items():
        if name == "embeddings" or (name.startswith("layer.") and name.count(".") == 1):
            back = np.argsort(units_order(array.shape[-1]))
            found[name] = np.ascontiguousarray(array[..., back])
    return found


def _permuted(rows: tuple[str, ...], columns: tuple[str, ...], order: Callable[[Layout], Array]) -> Edit:
    def edit(tensors: Tensors, layout: Layout) -> None:
        chosen = order(layout)
        for name in rows:
            tensors[fill(_LAYER + name, layout)] = tensors[fill(_LAYER + name, layout)][chosen]
        for name in columns:
            tensors[fill(_LAYER + name, layout)] = np.ascontiguousarray(tensors[fill(_LAYER + name, layout)][:, chosen])

    return every(edit)


def _heads_order(layout: Layout) -> Array:
    size = layout.config.hidden_size // layout.config.heads
    heads = np.arange(layout.config.heads)[::-1]
    found: Array = (heads[:, None] * size + np.arange(size)).reshape(-1)
    return found


_PARTS = ("query", "key", "value")
heads = _permuted(
    tuple(f"attention.self.{part}.{kind}" for part in _PARTS for kind in ("weight", "bias")),
    ("attention.output.dense.weight",),
    _heads_order,
)
"""Attention heads in reverse, in every layer."""
neurons = _permuted(
    ("intermediate.dense.weight", "intermediate.dense.bias"),
    ("output.dense.weight",),
    lambda layout: np.random.default_rng(_SEED).permutation(layout.config.intermediate_size),
)
"""The neurons between the two dense layers in another order."""
