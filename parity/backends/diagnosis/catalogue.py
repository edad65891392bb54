"""The hypotheses of a station without a number to fit, from what its stages read and what its family suspects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from parity.backends.diagnosis.hypothesis import IS, Change, Hypothesis
from parity.backends.diagnosis.original import Original, layer_of
from parity.backends.diagnosis.parts import from_layer, fused, is_square, stacked, turned
from parity.backends.diagnosis.station import Station
from parity.backends.executors.rounded import rounding
from parity.families.values import Variable
from parity.tensorfile import Array

_DROPPED, _DOUBLED = Change(np.zeros_like, local=True), Change(lambda w: 2 * w, local=True)
_ONES = Change(np.ones_like, local=True)
_FEW = 16
"""Outputs of a head that may be in another order."""


def hypotheses(station: Station) -> Iterator[Hypothesis]:
    """Everything that is tried on a station before anything is fitted."""
    tensors = station.tensors
    scopes = _scopes(tensors)
    yield from _family(station)
    for make in (_transposed, _biases, _norms, _zeros, _swapped, _precision):
        yield from make(tensors)
    yield from _swapped_scopes(tensors, scopes)
    yield from fused(station)
    yield from _other_layers(station)
    yield from stacked(station)
    yield from _order(station, scopes)
    for need in station.given:
        if all(piece.given[need].shape == piece.seen.shape for piece in station.pieces):
            yield Hypothesis("skipped", f"{station.tap} hands on {need} unchanged", (station.tap,), passes=need)


def _family(station: Station) -> Iterator[Hypothesis]:
    suspects, fed = station.original.family.suspects, {need for stage in station.segment for need in stage.needs}
    for suspect in suspects.inputs:
        # Not every batch has a memory.
        changed = {f"inputs/{name}" for piece in station.pieces for name in suspect.change(piece.inputs)}
        if changed & fed:
            yield Hypothesis(suspect.kind, suspect.sentence, inputs=suspect.change)
    yield from configs(station.original)
    for together in suspects.tensors:
        if all(name in station.tensors for name in together.names):
            changes = dict.fromkeys(together.names, Change(together.change))
            yield Hypothesis(together.kind, together.sentence, together.names, changes)
    for table in suspects.tables:
        if table.table in station.tensors:
            size = station.tensors[table.table].shape[0]
            seen = np.arange(max(piece.seen.shape[1] for piece in station.pieces))
            for shift in table.shifts:
                told, held = table.sentence.format(shift=shift), _held(shift, size - 1)
                ways: dict[str, Callable[[Array], Array]] = {told: partial(np.add, shift), told + table.held: held}
                if np.array_equal(held(seen), seen + shift):
                    del ways[told + table.held]
                for how, rows in ways.items():
                    yield Hypothesis(table.kind, how, (table.table,), {table.table: Change(rows=rows)})


def configs(original: Original) -> Iterator[Hypothesis]:
    """Other computations than the config says, all but its own."""
    for other in original.family.suspects.configs:
        if other.erf_slope is not None or any(getattr(original.config, k) != v for k, v in other.fields.items()):
            yield Hypothesis(other.kind, other.sentence, config=other.fields, erf_slope=other.erf_slope)


def _held(shift: int, last: int) -> Callable[[Array], Array]:
    """Row numbers moved, but not beyond the table."""
    return lambda rows: np.clip(rows + shift, 0, last)


def _transposed(tensors: Mapping[str, Variable]) -> Iterator[Hypothesis]:
    square = [name for name, variable in tensors.items() if variable.role == "kernel" and is_square(variable.shape)]
    yield from _each("untransposed", f"{IS} is transposed the wrong way", square, Change(turned))


def _biases(tensors: Mapping[str, Variable]) -> Iterator[Hypothesis]:
    names = [name for name, variable in tensors.items() if variable.role == "bias"]
    yield from _each("bias-dropped", f"{IS} is dropped", names, _DROPPED)
    yield from _each("bias-doubled", f"{IS} is added twice", names, _DOUBLED)


def _norms(tensors: Mapping[str, Variable]) -> Iterator[Hypothesis]:
    fresh = {name: _ONES if v.role == "gamma" else _DROPPED for name, v in tensors.items() if v.role in _NORM}
    told = f"{IS} is not loaded: it is as a new norm has it"
    for name, change in fresh.items():
        yield Hypothesis("norm-not-loaded", told, (name,), {name: change})
    scopes = _scopes({name: tensors[name] for name in fresh})
    for group in (*scopes.values(), tuple(fresh)):
        if len(group) > 1:
            yield Hypothesis("norm-not-loaded", told, group, {name: fresh[name] for name in group})


_NORM = ("gamma", "beta")


def _zeros(tensors: Mapping[str, Variable]) -> Iterator[Hypothesis]:
    names = [name for name, variable in tensors.items() if variable.role in ("kernel", "embedding")]
    for name in names:
        yield Hypothesis("zero", f"{IS} is all zeros", (name,), {name: _DROPPED})


def _swapped(tensors: Mapping[str, Variable]) -> Iterator[Hypothesis]:
    for one, other in combinations(tensors, 2):
        if tensors[one].shape == tensors[other].shape:
            yield _swap((one,), (other,))


def _swapped_scopes(tensors: Mapping[str, Variable], scopes: Mapping[str, tuple[str, ...]]) -> Iterator[Hypothesis]:
    for one, other in combinations(scopes, 2):
        ends = [{n.rpartition("/")[2]: tensors[n].shape for n in scopes[scope]} for scope in (one, other)]
        if ends[0] == ends[1] and len(ends[0]) > 1:
            pairs = [(f"{one}/{end}", f"{other}/{end}") for end in sorted(ends[0])]
            yield _swap(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), told=f"{one} and {other} are swapped")


def _swap(one: tuple[str, ...], other: tuple[str, ...], *, told: str = "") -> Hypothesis:
    changes = {a: Change(source=b) for x, y in zip(one, other, strict=True) for a, b in ((x, y), (y, x))}
    return Hypothesis("swapped", told or f"{one[0]} and {other[0]} are swapped", (*one, *other), changes)


def _other_layers(station: Station) -> Iterator[Hypothesis]:
    """The whole segment from another layer; single tensors from the neighbours."""
    names = {name: station.original.namesakes(name) for name in station.tensors}
    layered = {name: others for name, others in names.items() if others}
    if not layered:
        return
    here = layer_of(next(iter(layered)))
    for there in next(iter(layered.values())):
        if there != here:
            changes = {name: Change(source=others[there]) for name, others in layered.items() if there in others}
            changes |= from_layer(station, there)
            yield Hypothesis("other-layer", f"{station.tap} has the weights of layer {there}", tuple(layered), changes)
    for name, others in layered.items():
        for there in (i for i in others if here is not None and abs(i - here) == 1):
            told = f"{IS} is that of layer {there}"
            yield Hypothesis("other-layer-tensor", told, (name,), {name: Change(source=others[there])})


def _order(station: Station, scopes: Mapping[str, tuple[str, ...]]) -> Iterator[Hypothesis]:
    """The outputs of a small head in another order, found by assignment."""
    outputs = station.pieces[0].seen.shape[-1]
    if not 1 < outputs <= _FEW or not all(np.isfinite(piece.seen).all() for piece in station.pieces):
        return
    mine = np.concatenate([value[piece.judged] for piece, value in zip(station.pieces, station.values(), strict=True)])
    seen = np.concatenate([piece.seen[piece.judged] for piece in station.pieces]).astype(np.float64)
    _, order = linear_sum_assignment(np.square(seen[:, :, None] - mine[:, None, :]).mean(axis=0))
    if (order == np.arange(outputs)).all():
        return
    for names in scopes.values():
        shapes = {name: station.tensors[name].shape for name in names if outputs in station.tensors[name].shape}
        if len(shapes) == len(names):
            changes = {
                name: Change(partial(np.take, indices=order, axis=s.index(outputs))) for name, s in shapes.items()
            }
            told = "the outputs are in another order: " + ", ".join(str(int(i)) for i in order)
            yield Hypothesis("outputs-swapped", told, names, changes)


def _precision(tensors: Mapping[str, Variable]) -> Iterator[Hypothesis]:
    for label, make in FORMATS.items():
        kernels = [name for name, variable in tensors.items() if variable.role in ("kernel", "embedding")]
        names = list(tensors) if label in _FLOATS else kernels
        told = f"{IS} went through {label}"
        groups = {tuple(names), tuple(kernels), *((name,) for name in names)}
        for group in sorted(groups, key=lambda found: (len(found), found)):
            if group:
                change = Change(make, local=label not in ("int8 per tensor", "int8 per column"))
                yield Hypothesis("low-precision-weights", told, group, dict.fromkeys(group, change))


def _integer(axis: int | None) -> Callable[[Array], Array]:
    """Symmetric, 127 steps to the largest magnitude of the tensor, or of each slice across `axis`."""

    def rounded(w: Array) -> Array:
        step = np.abs(w).max(axis=axis, keepdims=True) / np.float32(127)
        step = np.where(step > 0, step, np.float32(1))
        whole: Array = (np.rint(w / step) * step).astype(np.float32)
        return whole

    return rounded


_FLOATS = ("float16", "bfloat16")
FORMATS: Mapping[str, Callable[[Array], Array]] = {
    **{name: rounding(name) for name in _FLOATS},
    "int8 per tensor": _integer(None),
    "int8 per column": _integer(0),
    "int8 per row": _integer(-1),
}
"""What a stored tensor may have gone through."""


def _each(kind: str, told: str, names: list[str], change: Change) -> Iterator[Hypothesis]:
    """Each tensor by itself, and all of them."""
    for group in (*((name,) for name in names), tuple(names)):
        if group and (len(group) == 1 or len(names) > 1):
            yield Hypothesis(kind, told, group, dict.fromkeys(group, change))


def _scopes(tensors: Mapping[str, Variable]) -> dict[str, tuple[str, ...]]:
    """Tensors that belong together, by what their names have in common."""
    found: dict[str, tuple[str, ...]] = {}
    for name in tensors:
        scope = name.rpartition("/")[0]
        found[scope] = (*found.get(scope, ()), name)
    return found
