"""What may be wrong, as an alteration of the reference that can be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.backends.executors.numpy_ops import NumpyOps, Read
from parity.ops import Tensor
from parity.tensorfile import Array

IS = "{subject}"
"""Where the subject belongs in a sentence."""


@dataclass(frozen=True)
class Change:
    """Another value of one tensor: of `source`, rows `rows`, made into something else."""

    make: Callable[[Array], Array] | None = None
    source: str = ""
    """The tensor that is read in its place; its own unless said."""
    rows: Callable[[Array], Array] | None = None
    """(row numbers wanted) -> those that are read."""
    local: bool = False
    """`make` does the same to gathered rows as to the whole."""

    def whole(self, read: Read, name: str) -> Array:
        """The altered tensor, in the dtype it is stored in or a wider one."""
        found = read(self.source or name)
        if self.rows is not None:
            found = found[self.rows(np.arange(len(found))) % len(found)]
        return found if self.make is None else self.make(found)

    def gathered(self, read: Read, name: str, ids: Array) -> Array:
        """Rows of it."""
        if self.make is not None and not self.local:
            return self.whole(read, name)[ids]
        stored = read(self.source or name)
        found = stored[(ids if self.rows is None else self.rows(ids)) % len(stored)]
        return found if self.make is None else self.make(found)


@dataclass(frozen=True)
class Hypothesis:
    """One cause that is tried out: what it alters, and how it is told."""

    kind: str
    sentence: str
    """With `{subject}` where it belongs."""
    subject: tuple[str, ...] = ()
    """Names of tensors, or of a stage."""
    weights: Mapping[str, Change] = field(default_factory=dict)
    inputs: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    within: str = ""
    """The only stage that is computed under that config; all of them unless said."""
    erf_slope: float | None = None
    scale: Mapping[str, float] = field(default_factory=dict)
    """Factors on values of stages."""
    passes: str = ""
    """The station hands this value on, untouched."""
    coefficient: float | None = None
    error: float | None = None

    @property
    def elsewhere(self) -> bool:
        """Alters what no tensor and no input tells: every stage may be another."""
        return bool(self.config and not self.within) or self.erf_slope is not None


NOTHING = Hypothesis("none", "")
"""The reference as it is."""


def fed(hypothesis: Hypothesis, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    """The inputs that it alters."""
    return hypothesis.inputs(inputs) if hypothesis.inputs else {}


def join(one: Hypothesis, other: Hypothesis) -> Hypothesis | None:
    """Both at once; None where they alter the same thing."""
    clash = one.weights.keys() & other.weights.keys() or (one.config and other.config)
    if clash or (one.inputs and other.inputs) or one.passes or other.passes:
        return None
    return Hypothesis(
        kind=f"{one.kind} and {other.kind}",
        sentence=f"{_said(one)} and {_said(other)}",
        subject=(*one.subject, *other.subject),
        weights={**one.weights, **other.weights},
        inputs=one.inputs or other.inputs,
        config=one.config or other.config,
        within=one.within or other.within,
        erf_slope=other.erf_slope if one.erf_slope is None else one.erf_slope,
        scale={**one.scale, **other.scale},
    )


def _said(one: Hypothesis) -> str:
    return one.sentence.replace(IS, several(one.subject))


class AlteredOps(NumpyOps):
    """`NumpyOps` over other tensors, the unaltered ones shared with those it is made from."""

    def __init__(self, plain: NumpyOps, read: Read, changes: Mapping[str, Change], dtype: str) -> None:
        """Args: who holds the unaltered tensors; how a tensor is read; what is altered; the dtype computed in."""
        super().__init__(self._altered, np.dtype(dtype))
        self._plain, self._stored, self._changes = plain, read, changes

    def _altered(self, name: str) -> Array:
        change = self._changes.get(name)
        return self._plain.weight(name) if change is None else change.whole(self._stored, name)

    def gather_weight(self, name: str, ids: Array) -> Array:
        """Rows of the variable, altered."""
        change = self._changes.get(name)
        if change is None:
            return self._plain.gather_weight(name, ids)
        return change.gathered(self._stored, name, ids).astype(self._dtype, copy=False)


class SigmoidGelu:
    """Any executor whose erf(x) is tanh(slope x)."""

    def __init__(self, ops: Any, slope: float) -> None:
        self._ops, self._slope = ops, slope

    def erf(self, x: Tensor) -> Tensor:
        """Another S in its place."""
        return self._ops.tanh(self._ops.mul(x, self._ops.constant(self._slope)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)


class Watched:
    """Any executor; notes which tensors are asked for."""

    def __init__(self, ops: Any) -> None:
        self._ops, self.seen = ops, list[str]()

    def weight(self, name: str) -> Tensor:
        """As the executor."""
        self.seen.append(name)
        return self._ops.weight(name)

    def gather_weight(self, name: str, ids: Tensor) -> Tensor:
        """As the executor."""
        self.seen.append(name)
        return self._ops.gather_weight(name, ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)


def several(names: Sequence[str]) -> str:
    """Names in a sentence."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""
