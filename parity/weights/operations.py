"""Reversible operations on one tensor. Each knows its inverse; none knows a name or an architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from parity.tensorfile import Array


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


OPERATIONS: dict[str, Operation] = {"copy": Copy(), "transpose": Transpose()}
