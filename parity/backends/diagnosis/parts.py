"""Hypotheses about parts of tensors: query, key and value fused into one, biases of all layers stacked in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations

import numpy as np

from parity.backends.diagnosis.hypothesis import IS, Change, Hypothesis, several
from parity.backends.diagnosis.station import Station
from parity.families.suspects import FusedSuspect
from parity.tensorfile import Array


def fused(station: Station) -> Iterator[Hypothesis]:
    """What may have happened to the parts of a fused kernel and of its bias, each by itself and both."""
    for suspect in station.original.family.suspects.fused:
        names = [name for name in station.tensors if suspect.scope in name]
        kernels = [name for name in names if station.tensors[name].role == "kernel"]
        if kernels:
            biases = [name for name in names if station.tensors[name].role == "bias"]
            yield from _moved(suspect, kernels, names, heads=station.original.config.heads)
            yield from _lost(suspect, kernels, biases)
            yield from _turned(station, suspect, kernels)


def _moved(suspect: FusedSuspect, kernels: list[str], names: list[str], *, heads: int) -> Iterator[Hypothesis]:
    count = len(suspect.parts)
    groups = list(dict.fromkeys((tuple(names), tuple(kernels))))
    for group in groups:
        for one, other in combinations(range(count), 2):
            told = f"{suspect.parts[one]} and {suspect.parts[other]} of {several(group)} are swapped"
            change = Change(partial(_swapped, one=one, other=other, count=count))
            yield Hypothesis("swapped", told, group, dict.fromkeys(group, change))
        for kind, told, how in (
            (
                "split-by-head",
                f"{several(group)} is written per head in place of per block",
                partial(_by_head, back=True),
            ),
            (
                "split-by-head",
                f"{several(group)} is read per head in place of per block",
                partial(_by_head, back=False),
            ),
        ):
            change = Change(partial(how, count=count, heads=heads))
            yield Hypothesis(kind, told, group, dict.fromkeys(group, change))


def _lost(suspect: FusedSuspect, kernels: list[str], biases: list[str]) -> Iterator[Hypothesis]:
    for place, part in enumerate(suspect.parts):
        for kind, told, names, factor in (
            ("zero", "is all zeros", kernels, 0.0),
            ("bias-dropped", "is dropped", biases, 0.0),
            ("bias-doubled", "is added twice", biases, 2.0),
        ):
            for name in names:
                make = partial(_part, place=place, count=len(suspect.parts), change=partial(np.multiply, factor))
                yield Hypothesis(kind, f"{part} of {IS} {told}", (name,), {name: Change(make)})


def _turned(station: Station, suspect: FusedSuspect, kernels: list[str]) -> Iterator[Hypothesis]:
    count = len(suspect.parts)
    for name in kernels:
        *_, inputs, outputs = station.tensors[name].shape
        if inputs * count == outputs:
            for place, part in enumerate(suspect.parts):
                make = partial(_part, place=place, count=count, change=turned)
                told = f"{part} of {IS} is transposed the wrong way"
                yield Hypothesis("untransposed", told, (name,), {name: Change(make)})


def turned(w: Array) -> Array:
    """A matrix the other way round: the last two axes, or [D,H,S] with H S = D as that matrix."""
    if w.ndim == 3 and w.shape[0] > 1:
        found: Array = w.reshape(len(w), -1).T.reshape(w.shape)
        return found
    return np.swapaxes(w, -1, -2)


def is_square(shape: tuple[int, ...]) -> bool:
    """Could `turned` go unnoticed?"""
    matrix = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    return len(matrix) > 1 and matrix[0] == int(np.prod(matrix[1:]))


def _part(w: Array, *, place: int, count: int, change: Callable[[Array], Array]) -> Array:
    parts = np.split(w, count, axis=-1)
    parts[place] = change(parts[place])
    return np.concatenate(parts, axis=-1)


def _swapped(w: Array, *, one: int, other: int, count: int) -> Array:
    parts = np.split(w, count, axis=-1)
    parts[one], parts[other] = parts[other], parts[one]
    return np.concatenate(parts, axis=-1)


def _by_head(w: Array, *, count: int, heads: int, back: bool) -> Array:
    """Columns [part, head, size] in the order [head, part, size], or the reverse."""
    outer = (heads, count) if not back else (count, heads)
    split = w.reshape(*w.shape[:-1], *outer, -1)
    found: Array = np.swapaxes(split, -3, -2).reshape(w.shape)
    return found


def stacked(station: Station) -> Iterator[Hypothesis]:
    """The slices of another layer, of tensors that hold every layer's in one."""
    suspects = station.original.family.suspects.stacked
    layers = station.original.config.layers
    names = [n for n in station.tensors if n in suspects and station.tensors[n].shape[0] == layers]
    for there in range(layers if names else 0):
        change = Change(partial(_slice, there=there))
        for group in dict.fromkeys((*((name,) for name in names), tuple(names))):
            told = f"{IS} is that of layer {there}"
            yield Hypothesis("other-layer-tensor", told, group, dict.fromkeys(group, change))


def from_layer(station: Station, there: int) -> dict[str, Change]:
    """What a whole layer from elsewhere brings along of those."""
    suspects, layers = station.original.family.suspects.stacked, station.original.config.layers
    names = (n for n in station.tensors if n in suspects and station.tensors[n].shape[0] == layers)
    return {name: Change(partial(_slice, there=there)) for name in names}


def _slice(w: Array, *, there: int) -> Array:
    return np.broadcast_to(w[there : there + 1], w.shape).copy()
