"""The small vocabulary of operations that a reference forward pass is written in, and the stages it consists of.

An executor (`parity/backends/executors/`) gives the vocabulary its arithmetic: NumPy float64 (the oracle), NumPy or
TensorFlow float32 (the source runtime), stochastic rounding (the floor). Everything a reference does goes through
these methods, so that one text of the forward pass serves them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

# An executor's own tensor (ndarray, tf.Tensor); a reference never looks inside.
Tensor: TypeAlias = Any


class Ops(Protocol):
    """Operations on tensors. Shapes follow NumPy's broadcasting; `axis` may be negative."""

    def weight(self, name: str) -> Tensor:
        """The checkpoint's variable of that (source) name, in the executor's dtype."""

    def gather_weight(self, name: str, ids: Tensor) -> Tensor:
        """Rows `ids` of the variable of that name: exact, and without converting the whole table."""

    def constant(self, value: float) -> Tensor:
        """A scalar in the executor's dtype."""

    def cast(self, x: Tensor) -> Tensor:
        """An integer tensor in the executor's dtype."""

    def matmul(self, a: Tensor, b: Tensor, *, transpose_b: bool = False) -> Tensor:
        """Matrix product over the last two axes."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """A + b."""

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        """A - b."""

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """A * b."""

    def div(self, a: Tensor, b: Tensor) -> Tensor:
        """A / b."""

    def mean(self, x: Tensor, *, axis: int) -> Tensor:
        """Mean over `axis`, kept as a dimension of 1."""

    def square(self, x: Tensor) -> Tensor:
        """X * x."""

    def rsqrt(self, x: Tensor) -> Tensor:
        """1 / sqrt(x)."""

    def erf(self, x: Tensor) -> Tensor:
        """Gauss error function."""

    def tanh(self, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""

    def maximum(self, x: Tensor, floor: float) -> Tensor:
        """max(x, floor), exact."""

    def softmax(self, x: Tensor, *, axis: int = -1) -> Tensor:
        """exp(x - max) / sum."""

    def log_softmax(self, x: Tensor, *, axis: int = -1) -> Tensor:
        """X - max - log(sum(exp(x - max)))."""

    def sin(self, x: Tensor) -> Tensor:
        """Sine of radians."""

    def cos(self, x: Tensor) -> Tensor:
        """Cosine of radians."""

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Same elements, another shape; one -1 allowed."""

    def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Permute axes."""

    def expand(self, x: Tensor, *, axis: int) -> Tensor:
        """Insert a dimension of 1."""

    def index(self, x: Tensor, position: int, *, axis: int) -> Tensor:
        """X at one position of `axis`, which disappears."""

    def take_positions(self, x: Tensor, positions: Tensor) -> Tensor:
        """x[b, positions[b, q]]: [B,T,...] and [B,Q] give [B,Q,...]."""

    def slice_rows(self, x: Tensor, stop: int) -> Tensor:
        """x[:stop] on the first axis."""

    def concat(self, parts: Sequence[Tensor], *, axis: int) -> Tensor:
        """The parts one after the other along `axis`."""

    def slice(self, x: Tensor, start: int, stop: int | None, *, axis: int) -> Tensor:
        """X from `start` (negative: from the end) up to, not including, `stop` on `axis`; None = to the end."""

    def array(self, values: Sequence[Any] | Any) -> Tensor:
        """Fixed numbers (masks, positions), float64 or nested lists, rounded once to the executor's dtype."""

    def within(self, ids: Tensor, low: int, high: int) -> Tensor:
        """1 where low <= id < high, else 0, in the executor's dtype."""

    def offset(self, ids: Tensor, low: int, high: int) -> Tensor:
        """Integers id - low where low <= id < high, else 0: what a table of those rows is looked up with."""

    def differs(self, a: Tensor, b: Tensor) -> Tensor:
        """1 where the integers differ, else 0, in the executor's dtype."""

    def shape(self, x: Tensor) -> tuple[int, ...]:
        """Static shape."""


@dataclass(frozen=True)
class Stage:
    """One named value of a reference: `fn(ops, *values of needs)`.

    `needs` names earlier stages or `inputs/<name>`. The plain forward, finer taps and the residual are walks over the
    same stages: a stage evaluated on another runtime's needs gives that runtime's own error.

    What is among `optional`, too, may be absent (no memory, no target mapping): `fn` is then given None. A stage whose
    value is None is not there for this batch (no second stream without a target mapping); only optional needs name it.
    """

    name: str
    needs: tuple[str, ...]
    fn: Callable[..., Tensor]
    optional: tuple[str, ...] = ()

    def __call__(self, ops: Ops, values: Mapping[str, Tensor]) -> Tensor:
        """The stage's value, or None, from the values of its needs by name.

        Raises:
            KeyError: a need that is not optional is not among them.
        """
        return self.fn(ops, *(values.get(need) if need in self.optional else values[need] for need in self.needs))

    def with_fn(self, fn: Callable[..., Tensor]) -> Stage:
        """The same place in the graph, computed otherwise."""
        return replace(self, fn=fn)
