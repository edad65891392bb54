"""What a graph's text is written in: a small vocabulary of operations, and the builder that draws them.

Sizes are values, too ([1], int64), since batch, length and memory are free; wherever an operation takes a number, it
takes such a value as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from parity.tensorfile import Array

# A builder's own handle of a value (a name, an output port); the text never looks inside.
Value: TypeAlias = Any


class Builder(Protocol):
    """Draws one graph. Every value gets the name it is drawn under; weights are named as in the PyTorch folder."""

    def input(self, name: str, longest: int | None) -> Value:
        """An input, int64 [batch, sequence]; a sequence longer than `longest` is an error when the graph runs."""

    def state(self, name: str, axes: tuple[str | int, ...]) -> Value:
        """An input, float32, that one segment hands on to the next; `axes` as for `output`, a free one may be 0."""

    def output(self, name: str, value: Value, axes: tuple[str | int, ...]) -> None:
        """Ship `value` under that name; `axes` are its sizes, a string for a free one."""

    def weight(self, name: str) -> Value:
        """A weight as it is in the folder."""

    def constant(self, name: str, array: Array) -> Value:
        """Numbers that are no weight; one name is one array."""

    def lookup(self, name: str, table: str, ids: Value) -> Value:
        """Rows `ids` of a table: [B,T] gives [B,T,C]."""

    def leading_rows(self, name: str, table: str, like: Value) -> Value:
        """The first T rows of a table, T the length of `like` [B,T]: [T,C]."""

    def rows(self, name: str, table: str, start: Value, count: Value) -> Value:
        """Rows start, ..., start + count - 1 of a table; what it has not is an error when the graph runs, or NaN."""

    def dense(
        self,
        name: str,
        x: Value,
        weight: str,
        bias: str | None,
        *,
        turned: bool = False,
        flat: tuple[int, int] | None = None,
    ) -> Value:
        """X @ weight.T + bias, weight [out,in]; [in,out] where it is `turned`, read as of shape `flat`."""

    def norm(self, name: str, x: Value, weight: str, bias: str, epsilon: float) -> Value:
        """Layer norm over the last axis."""

    def activate(self, name: str, x: Value, kind: str) -> Value:
        """`gelu_erf`, `gelu_tanh`, `relu`, `swish`, `tanh` or `linear`."""

    def apply(self, name: str, kind: str, x: Value) -> Value:
        """`sin`, `cos`, `log_softmax` (last axis), `not`, `float32`, `int64`; `same` is a node that does nothing."""

    def combine(self, name: str, kind: str, a: Value, b: Value | float) -> Value:
        """`add`, `subtract`, `multiply`, `least`, `largest`, `greater`, `less`, `equal`, `and`, `or`, broadcast.

        `b` may be a number: float32 where it is a float, int64 where it is an int.
        """

    def choose(self, name: str, condition: Value, a: Value, b: Value | float) -> Value:
        """`a` where the condition holds, else `b`, all broadcast."""

    def add(self, name: str, a: Value, b: Value) -> Value:
        """A + b."""

    def scale(self, name: str, x: Value, factor: float) -> Value:
        """X * factor."""

    def matmul(self, name: str, a: Value, b: Value) -> Value:
        """Matrix product over the last two axes."""

    def softmax(self, name: str, x: Value) -> Value:
        """Softmax over the last axis."""

    def mean(self, name: str, x: Value, axis: int) -> Value:
        """The mean along an axis, which is then gone."""

    def top(self, name: str, x: Value) -> Value:
        """The largest along the last axis, which stays, of size 1."""

    def size(self, name: str, x: Value, axis: int) -> Value:
        """Size of an axis."""

    def count(self, name: str, start: Value | int, stop: Value | int, step: int = 1) -> Value:
        """The whole numbers from `start` to before `stop`: int64 [n]."""

    def slice(self, name: str, x: Value, axis: int, start: Value | int, stop: Value | int | None) -> Value:
        """x[start:stop] along an axis as in Python, negative numbers count from its end."""

    def concat(self, name: str, values: Sequence[Value], axis: int) -> Value:
        """Several values one after the other along an axis."""

    def reshape(self, name: str, x: Value, sizes: Sequence[Value | int]) -> Value:
        """Other axes over the same numbers: 0 keeps the size of the axis there, -1 is what is left."""

    def transpose(self, name: str, x: Value, axes: Sequence[int]) -> Value:
        """Axes in another order."""

    def split(self, name: str, x: Value, heads: int, size: int, axes: tuple[int, int, int, int]) -> Value:
        """[B,T,heads*size] as [B,T,heads,size], its axes then permuted."""

    def merge(self, name: str, x: Value, width: int) -> Value:
        """[B,heads,T,d] as [B,T,width], width = heads*d."""

    def hide(self, name: str, mask: Value) -> Value:
        """What is added to attention scores: 0 where mask [B,T] is 1, the lowest float32 where 0; [B,1,1,T]."""

    def token(self, name: str, x: Value, position: int) -> Value:
        """x[:, position]: [B,T,C] gives [B,C]."""

    def channel(self, name: str, x: Value, index: int) -> Value:
        """x[:, :, index]: [B,T,C] gives [B,T]."""
