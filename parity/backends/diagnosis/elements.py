"""One changed number among all tensors of a station: found by its derivative, fitted by trying it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from parity.backends.diagnosis.adjoint import AdjointOps, Node
from parity.backends.diagnosis.fits import Fit
from parity.backends.diagnosis.hypothesis import Change, Hypothesis
from parity.backends.diagnosis.sample import Piece
from parity.backends.diagnosis.station import Station
from parity.backends.executors.numpy_ops import NumpyOps
from parity.measure.floor import Floats
from parity.ops import Ops
from parity.tensorfile import Array
from parity.traces import INPUTS

PROBES = 4
"""Random signs per piece that the elements' strengths are estimated from."""
BEST = 40
"""Elements that are tried."""


@dataclass(frozen=True)
class Element:
    """One number of one tensor, and the share of the squared error that moving it explains to first order."""

    tensor: str
    index: tuple[int, ...]
    share: float


def elements(station: Station) -> list[Element]:
    """The elements that explain most, best first."""
    gain, strength, dice = dict[str, Array](), dict[str, Array](), np.random.default_rng(0)
    plain, total = NumpyOps(station.original.read, np.dtype("float64")), 0.0
    taped = [_taped(station, piece, AdjointOps(plain)) for piece in station.pieces]
    looked_up = _looked_up([ops for ops, _ in taped])
    for (ops, end), piece, sigma in zip(taped, station.pieces, _sigmas(station), strict=True):
        counts = piece.judged[..., None]
        error = np.where(counts, (piece.seen - end.value) / sigma, 0.0)
        total += float(np.square(error).sum())
        for probe in range(1 + PROBES):
            signs = np.where(counts, dice.choice((-1.0, 1.0), error.shape), 0.0)
            ops.back(end, (signs if probe else error) / sigma)
            for name, slopes in _slopes(ops, looked_up).items():
                into, share = (strength, np.square(slopes) / PROBES) if probe else (gain, slopes)
                into[name] = into[name] + share if name in into else share
    best = list[Element]()
    for name, sums in gain.items():
        # Elements that hardly act would win by the scatter of their strength.
        acting = np.maximum(strength[name], 1e-3 * strength[name].mean())
        shares = np.divide(np.square(sums), acting * total, out=np.zeros_like(sums), where=acting > 0)
        for flat in np.argsort(-shares, axis=None)[:BEST]:
            index = tuple(int(i) for i in np.unravel_index(flat, shares.shape))
            row = int(looked_up[name][index[0]]) if name in looked_up else index[0]
            best.append(Element(name, (row, *index[1:]), float(shares[index])))
    return sorted(best, key=lambda element: -element.share)[:BEST]


def fit_of(station: Station, element: Element) -> Fit:
    """The hypothesis that this element has another value."""
    name, index = element.tensor, element.index
    usual = float(station.original.read(name)[index])
    place = ", ".join(map(str, index))

    def make(value: float) -> Hypothesis:
        return Hypothesis("single-weight", "", (name,), {name: Change(partial(_moved, index=index, value=value))})

    return Fit(
        make,
        usual,
        step=max(1e-3 * abs(usual), 1e-4),
        told=f"{{subject}}[{place}] is {{value}} +- {{error}}, not {{usual}}",
        vague=f"{{subject}}[{place}] is not {{usual}} (its value is not identifiable)",
    )


def _moved(w: Array, *, index: tuple[int, ...], value: float) -> Array:
    moved = w.astype(np.float64 if w.size < 1 << 24 else np.float32)
    moved[index] = value
    return moved


def _sigmas(station: Station) -> list[Floats]:
    """What each value's error is measured in, per piece: token's floor times channel's share."""
    batches, floor = station.floors
    found = []
    for piece, batch in zip(station.pieces, batches, strict=True):
        sigma = floor.places(batch.token)[..., None] / np.sqrt(floor.weights(piece.seen.shape[-1]))
        found.append(np.where(sigma > 0, sigma, 1.0))
    return found


def _taped(station: Station, piece: Piece, ops: AdjointOps) -> tuple[AdjointOps, Node]:
    # Ids and masks are looked up and compared; states are computed with.
    values: dict[str, Any] = {
        INPUTS + name: Node(array.astype(np.float64)) if array.dtype.kind == "f" else array
        for name, array in piece.inputs.items()
    }
    values |= {name: Node(piece.given[name].astype(np.float64)) for name in station.given}
    for stage in station.segment:
        values.setdefault(stage.name, stage(cast("Ops", ops), values))
    return ops, values[station.tap]


def _looked_up(tapes: Sequence[AdjointOps]) -> dict[str, Array]:
    """Rows that were gathered, by table."""
    found: dict[str, Array] = {}
    for name, numbers, _ in (gathered for ops in tapes for gathered in ops.gathered):
        found[name] = np.union1d(found.get(name, np.array([], np.int64)), numbers)
    return found


def _slopes(ops: AdjointOps, looked_up: Mapping[str, Array]) -> dict[str, Array]:
    found: dict[str, Array] = {n: node.slopes for n, node in ops.leaves.items() if node.slopes is not None}
    for name, numbers, node in ops.gathered:
        if node.slopes is not None:
            found[name] = np.zeros((len(looked_up[name]), node.value.shape[-1]))
            np.add.at(found[name], np.searchsorted(looked_up[name], numbers), node.slopes)
    return found
