"""Operations where source and target differ in how often they hold a tensor; none changes a value."""

from __future__ import annotations

from dataclasses import dataclass

from parity.tensorfile import Array


@dataclass(frozen=True)
class Same:
    """One source tensor that all layers share: several rules have it as source, each target gets all of it.

    In a rule of a table, whose target alone has `{i}`, it is written without numbers.
    """

    index: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """`same 3 of 12`, counted from 0."""
        return f"same {self.index} of {self.count}"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Unchanged."""
        return source

    def forward(self, source: Array) -> Array:
        """Unchanged."""
        return source

    def inverse(self) -> Merged:
        """One of the copies."""
        return Merged(self.index, self.count)


@dataclass(frozen=True)
class Merged:
    """The way back of `Same`: `count` equal tensors make one target."""

    index: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """`merged 3 of 12`, counted from 0."""
        return f"merged {self.index} of {self.count}"

    @property
    def last(self) -> bool:
        """Is the target whole with it?"""
        return self.index + 1 == self.count

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Unchanged."""
        return source

    def forward(self, source: Array) -> Array:
        """Unchanged; whoever writes sees that all are equal (`parity.artifacts.stream`)."""
        return source

    def inverse(self) -> Same:
        """The copy of that layer."""
        return Same(self.index, self.count)


@dataclass(frozen=True)
class Zeros:
    """A target tensor that this checkpoint has no source for, and that what it was trained for never reads."""

    name: str = "zeros"

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """As the source would have had it."""
        return source

    def forward(self, source: Array) -> Array:
        """Unchanged: whoever reads gives zeros for it."""
        return source

    def inverse(self) -> Zeros:
        """Itself."""
        return self
