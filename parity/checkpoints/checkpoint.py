"""What every opened checkpoint offers, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from parity.tensorfile import Array


@dataclass(frozen=True)
class TensorEntry:
    """A tensor of a checkpoint.

    Attributes:
        name: the variable's name, as saved.
        dtype: NumPy dtype name, `bfloat16` included; "string" for a tensor of strings, which is listed but never read.
        shape: of the whole tensor.
        nbytes: bytes it takes in the data files.
        shards: numbers of the data files it lies in, ascending.
        slices: how many pieces a partitioned variable was saved in; 1 when it was saved whole.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    shards: tuple[int, ...]
    slices: int


class Checkpoint(Protocol):
    """An opened checkpoint. No file is kept open between reads, so threads may read side by side."""

    @property
    def format(self) -> str:
        """The format's name."""

    @property
    def prefix(self) -> Path:
        """A path that it can be opened by again; its folder is where config and vocabulary are looked for."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it consists of."""

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        """What there is, by name in ascending order."""

    def read(self, name: str, *, verify: bool = True) -> Array:
        """A fresh, C-ordered array of the entry's dtype and shape; checked where the format has checksums.

        Raises:
            ParityError: no such tensor, damage, or a closed checkpoint.
        """

    def close(self) -> None:
        """Refuse further reads. Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
