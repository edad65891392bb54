"""Reversible operations on one tensor. Each knows its inverse; none knows a name or an architecture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from parity.tensorfile import Array
from parity.weights.sharing import Merged, Same, Zeros


class Operation(Protocol):
    """How a source tensor becomes a target tensor, bit for bit reversible."""

    @property
    def name(self) -> str:
        """How the proof spells it."""

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """The target's shape, known before any data is read. Raises ValueError where the operation does not apply."""

    def forward(self, source: Array) -> Array:
        """The target tensor; a view where possible."""

    def inverse(self) -> Operation:
        """The operation that undoes this one."""


@dataclass(frozen=True)
class Copy:
    """The same array."""

    name: str = "copy"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Unchanged."""
        return source

    def forward(self, source: Array) -> Array:
        """Unchanged."""
        return source

    def inverse(self) -> Copy:
        """Itself."""
        return self


@dataclass(frozen=True)
class Transpose:
    """Swap the two axes of a matrix: TensorFlow's dense kernels are [in, out], PyTorch's linear weights [out, in]."""

    name: str = "transpose"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[a, b] becomes [b, a]; anything but a matrix is refused."""
        if len(source) != 2:
            raise ValueError(f"cannot transpose shape {list(source)}: not a matrix")
        return source[::-1]

    def forward(self, source: Array) -> Array:
        """A transposed view."""
        return source.T

    def inverse(self) -> Transpose:
        """Itself."""
        return self


@dataclass(frozen=True)
class Squeeze:
    """Drop a leading axis of length 1: GPT's and GPT-2's kernels are those of a convolution of width 1."""

    name: str = "squeeze"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[1, a, b] becomes [a, b]; another first axis is refused."""
        if not source or source[0] != 1:
            raise ValueError(f"cannot squeeze shape {list(source)}: its first axis is not 1")
        return source[1:]

    def forward(self, source: Array) -> Array:
        """A view."""
        squeezed: Array = source[0]
        return squeezed

    def inverse(self) -> Unsqueeze:
        """Put it back."""
        return Unsqueeze()


@dataclass(frozen=True)
class Unsqueeze:
    """Insert a leading axis of length 1."""

    name: str = "unsqueeze"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[a, b] becomes [1, a, b]."""
        return (1, *source)

    def forward(self, source: Array) -> Array:
        """A view."""
        return source[None]

    def inverse(self) -> Squeeze:
        """Drop it."""
        return Squeeze()


@dataclass(frozen=True)
class Row:
    """One of the tensors that the source holds stacked: several rules share the source, each takes its row."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """`row 3 of 12`, counted from 0."""
        return f"row {self.index} of {self.count}"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[count, ...] becomes [...]."""
        if len(source) < 2 or source[0] != self.count:
            raise ValueError(f"cannot take {self.name} of shape {list(source)}")
        return source[1:]

    def forward(self, source: Array) -> Array:
        """A view."""
        row: Array = source[self.index]
        return row

    def inverse(self) -> Stacked:
        """Its place in the stack."""
        return Stacked(self.index, self.count)


@dataclass(frozen=True)
class Stacked:
    """The way back of `Row`: all `count` of them make one target."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """`stacked 3 of 12`, counted from 0."""
        return f"stacked {self.index} of {self.count}"

    @property
    def last(self) -> bool:
        """Is the target whole with it?"""
        return self.index + 1 == self.count

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[...] becomes [count, ...]: the whole that it is a part of."""
        return (self.count, *source)

    def forward(self, source: Array) -> Array:
        """The part itself; whoever writes joins the parts in order (`parity.artifacts.stream`)."""
        return source

    def inverse(self) -> Row:
        """Take it out again."""
        return Row(self.index, self.count)


@dataclass(frozen=True)
class Part:
    """Rows `first` to `end` of a target that several sources make, one behind the other."""

    first: int
    end: int
    count: int

    @property
    def name(self) -> str:
        """`part 0 to 60 of 450`, the end not included."""
        return f"part {self.first} to {self.end} of {self.count}"

    @property
    def last(self) -> bool:
        """Is the target whole with it?"""
        return self.end == self.count

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[end - first, ...] becomes [count, ...]: the whole that it is a part of."""
        if not source or source[0] != self.end - self.first:
            raise ValueError(f"shape {list(source)} is not {self.name}")
        return (self.count, *source[1:])

    def forward(self, source: Array) -> Array:
        """The part itself; whoever writes joins the parts in order (`parity.artifacts.stream`)."""
        return source

    def inverse(self) -> Cut:
        """Take it out again."""
        return Cut(self.first, self.end, self.count)


@dataclass(frozen=True)
class Cut:
    """The way back of `Part`: rows `first` to `end` of the source."""

    first: int
    end: int
    count: int

    @property
    def name(self) -> str:
        """`cut 0 to 60 of 450`, the end not included."""
        return f"cut {self.first} to {self.end} of {self.count}"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """[count, ...] becomes [end - first, ...]."""
        if not source or source[0] != self.count:
            raise ValueError(f"cannot {self.name} out of shape {list(source)}")
        return (self.end - self.first, *source[1:])

    def forward(self, source: Array) -> Array:
        """A view."""
        return source[self.first : self.end]

    def inverse(self) -> Part:
        """Its place in the whole."""
        return Part(self.first, self.end, self.count)


_SIMPLE: dict[str, Operation] = {known.name: known for known in (Copy(), Transpose(), Squeeze(), Unsqueeze(), Zeros())}
_PARTS: dict[str, Callable[[int, int], Operation]] = {
    "row": Row,
    "stacked": Stacked,
    "same": Same,
    "merged": Merged,
}
_SPANS: dict[str, Callable[[int, int, int], Operation]] = {"part": Part, "cut": Cut}


def operation(name: str) -> Operation:
    """The operation that a proof calls so.

    Raises:
        ValueError: there is none.
    """
    if name in _SIMPLE:
        return _SIMPLE[name]
    match = re.fullmatch(r"(row|stacked|same|merged) (\d{1,6}) of (\d{1,6})", name)
    if match is not None and int(match[2]) < int(match[3]):
        return _PARTS[match[1]](int(match[2]), int(match[3]))
    match = re.fullmatch(r"(part|cut) (\d{1,9}) to (\d{1,9}) of (\d{1,9})", name)
    if match is not None and int(match[2]) < int(match[3]) <= int(match[4]):
        return _SPANS[match[1]](int(match[2]), int(match[3]), int(match[4]))
    raise ValueError(f"unknown operation {name}")
