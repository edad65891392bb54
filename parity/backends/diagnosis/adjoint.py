"""Derivatives of a station: the operations of a reference with a tape, in float64 (reverse accumulation).

One walk back gives the derivative of a weighted sum of the station's values in every element of every tensor. From the
error as weights comes what each single weight would explain; from random signs, how strongly each one acts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from parity.backends.executors.numpy_ops import NumpyOps
from parity.tensorfile import Array

Back = Callable[[Array], tuple[Array | None, ...]]


@dataclass(eq=False)
class Node:
    """A value and how its derivative is handed on to what it was made of."""

    value: Array
    parents: tuple[Node, ...] = ()
    back: Back | None = None
    slopes: Array | None = field(default=None, repr=False)


def _fit(slopes: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting."""
    extra = slopes.ndim - len(shape)
    summed = slopes.sum(axis=tuple(range(extra))) if extra else slopes
    along = tuple(axis for axis, size in enumerate(shape) if size == 1 and summed.shape[axis] != 1)
    return summed.sum(axis=along, keepdims=True) if along else summed


class AdjointOps:
    """`parity.ops.Ops` on nodes. Tensors are leaves, kept by name; gathered rows by name and ids."""

    def __init__(self, plain: NumpyOps) -> None:
        self._plain = plain
        self.tape: list[Node] = []
        self.leaves: dict[str, Node] = {}
        self.gathered: list[tuple[str, Array, Node]] = []

    def weight(self, name: str) -> Node:
        """A leaf."""
        if name not in self.leaves:
            self.leaves[name] = Node(self._plain.weight(name).astype(np.float64, copy=False))
        return self.leaves[name]

    def gather_weight(self, name: str, ids: Any) -> Node:
        """A leaf of its own."""
        numbers = ids.value if isinstance(ids, Node) else ids
        node = Node(self._plain.gather_weight(name, numbers))
        self.gathered.append((name, numbers, node))
        return node

    def constant(self, value: float) -> Node:
        """A scalar."""
        return Node(np.asarray(value, np.float64))

    def cast(self, x: Any) -> Node:
        """Without derivative."""
        return Node(_plain(x).astype(np.float64))

    def matmul(self, a: Node, b: Node, *, transpose_b: bool = False) -> Node:
        """Matrix product over the last two axes."""
        right = np.swapaxes(b.value, -1, -2) if transpose_b else b.value
        value = self._plain.matmul(a.value, right)

        def back(g: Array) -> tuple[Array, Array]:
            to_a = self._plain.matmul(g, np.swapaxes(right, -1, -2))
            if right.ndim == 2:
                to_b = a.value.reshape(-1, a.value.shape[-1]).T @ g.reshape(-1, g.shape[-1])
            else:
                to_b = _fit(np.swapaxes(a.value, -1, -2) @ g, right.shape)
            return _fit(to_a, a.value.shape), np.swapaxes(to_b, -1, -2) if transpose_b else to_b

        return self._note(value, (a, b), back)

    def add(self, a: Node, b: Node) -> Node:
        """Sum."""
        return self._note(a.value + b.value, (a, b), lambda g: (g, g))

    def sub(self, a: Node, b: Node) -> Node:
        """Difference."""
        return self._note(a.value - b.value, (a, b), lambda g: (g, -g))

    def mul(self, a: Node, b: Node) -> Node:
        """Product."""
        return self._note(a.value * b.value, (a, b), lambda g: (g * b.value, g * a.value))

    def div(self, a: Node, b: Node) -> Node:
        """Quotient."""
        value = a.value / b.value
        return self._note(value, (a, b), lambda g: (g / b.value, -g * value / b.value))

    def mean(self, x: Node, *, axis: int) -> Node:
        """Mean over `axis`, kept."""
        size = x.value.shape[axis]
        return self._note(
            x.value.mean(axis=axis, keepdims=True), (x,), lambda g: (np.broadcast_to(g / size, x.value.shape),)
        )

    def square(self, x: Node) -> Node:
        """Product with itself."""
        return self._note(np.square(x.value), (x,), lambda g: (2 * g * x.value,))

    def rsqrt(self, x: Node) -> Node:
        """1 / sqrt(x)."""
        value = 1 / np.sqrt(x.value)
        return self._note(value, (x,), lambda g: (-0.5 * g * value / x.value,))

    def erf(self, x: Node) -> Node:
        """Gauss error function."""
        return self._note(special.erf(x.value), (x,), lambda g: (g * 2 / np.sqrt(np.pi) * np.exp(-np.square(x.value)),))

    def tanh(self, x: Node) -> Node:
        """Hyperbolic tangent."""
        value = np.tanh(x.value)
        return self._note(value, (x,), lambda g: (g * (1 - np.square(value)),))

    def maximum(self, x: Node, floor: float) -> Node:
        """max(x, floor)."""
        return self._note(np.maximum(x.value, floor), (x,), lambda g: (g * (x.value > floor),))

    def softmax(self, x: Node, *, axis: int = -1) -> Node:
        """exp(x - max) / sum."""
        value = self._plain.softmax(x.value, axis=axis)
        return self._note(value, (x,), lambda g: (value * (g - (g * value).sum(axis=axis, keepdims=True)),))

    def log_softmax(self, x: Node, *, axis: int = -1) -> Node:
        """X - max - log(sum(exp(x - max)))."""
        value = self._plain.log_softmax(x.value, axis=axis)
        return self._note(value, (x,), lambda g: (g - np.exp(value) * g.sum(axis=axis, keepdims=True),))

    def sin(self, x: Node) -> Node:
        """Sine."""
        return self._note(np.sin(x.value), (x,), lambda g: (g * np.cos(x.value),))

    def cos(self, x: Node) -> Node:
        """Cosine."""
        return self._note(np.cos(x.value), (x,), lambda g: (-g * np.sin(x.value),))

    def reshape(self, x: Node, shape: Sequence[int]) -> Node:
        """Same elements, another shape."""
        return self._note(x.value.reshape(tuple(shape)), (x,), lambda g: (g.reshape(x.value.shape),))

    def transpose(self, x: Node, axes: Sequence[int]) -> Node:
        """Permute axes."""
        return self._note(x.value.transpose(tuple(axes)), (x,), lambda g: (g.transpose(np.argsort(axes)),))

    def expand(self, x: Any, *, axis: int) -> Any:
        """Insert a dimension of 1; whole numbers stay what they are."""
        if not isinstance(x, Node):
            return np.expand_dims(x, axis)
        return self._note(np.expand_dims(x.value, axis), (x,), lambda g: (g.reshape(x.value.shape),))

    def index(self, x: Node, position: int, *, axis: int) -> Node:
        """One position of `axis`."""
        key: Any = (*[slice(None)] * (axis % x.value.ndim), position)
        return self._note(x.value[key], (x,), lambda g: (_scattered(g, x.value.shape, key),))

    def take_positions(self, x: Node, positions: Any) -> Node:
        """x[b, positions[b, q]]."""
        key = (np.arange(len(x.value))[:, None], _plain(positions))
        return self._note(x.value[key], (x,), lambda g: (_scattered(g, x.value.shape, key),))

    def slice_rows(self, x: Node, stop: int) -> Node:
        """x[:stop]."""
        key = (slice(stop),)
        return self._note(x.value[:stop], (x,), lambda g: (_scattered(g, x.value.shape, key),))

    def concat(self, parts: Sequence[Node], *, axis: int) -> Node:
        """One after the other."""
        ends = np.cumsum([part.value.shape[axis] for part in parts])[:-1]
        value = np.concatenate([part.value for part in parts], axis=axis)
        return self._note(value, tuple(parts), lambda g: tuple(np.split(g, ends, axis=axis)))

    def slice(self, x: Node, start: int, stop: int | None, *, axis: int) -> Node:
        """A part of one axis."""
        key: Any = (*[slice(None)] * (axis % x.value.ndim), slice(start, stop))
        return self._note(x.value[key], (x,), lambda g: (_scattered(g, x.value.shape, key),))

    def array(self, values: Any) -> Node:
        """Fixed numbers."""
        return Node(self._plain.array(values).astype(np.float64))

    def within(self, ids: Any, low: int, high: int) -> Node:
        """Without derivative."""
        return Node(self._plain.within(_plain(ids), low, high).astype(np.float64))

    def offset(self, ids: Any, low: int, high: int) -> Array:
        """Whole numbers."""
        return self._plain.offset(_plain(ids), low, high)

    def differs(self, a: Any, b: Any) -> Node:
        """Without derivative."""
        return Node(self._plain.differs(_plain(a), _plain(b)).astype(np.float64))

    def shape(self, x: Any) -> tuple[int, ...]:
        """The shape."""
        found: tuple[int, ...] = _plain(x).shape
        return found

    def back(self, node: Node, slopes: Array) -> None:
        """Walk back from a node's derivatives to those of all leaves (`slopes` of each; None where nothing acts)."""
        for other in (*self.tape, *self.leaves.values(), *(leaf for _, _, leaf in self.gathered)):
            other.slopes = None
        node.slopes = slopes
        for made in reversed(self.tape):
            if made.slopes is None or made.back is None:
                continue
            for parent, share in zip(made.parents, made.back(made.slopes), strict=True):
                if share is not None:
                    mine = _fit(share, parent.value.shape)
                    parent.slopes = mine if parent.slopes is None else parent.slopes + mine
            made.slopes = None

    def _note(self, value: Array, parents: tuple[Any, ...], back: Back) -> Node:
        node = Node(value, parents, back)
        self.tape.append(node)
        return node


def _plain(x: Any) -> Any:
    return x.value if isinstance(x, Node) else x


def _scattered(slopes: Array, shape: tuple[int, ...], key: Any) -> Array:
    found = np.zeros(shape)
    np.add.at(found, key, slopes)
    return found
