"""OpenAI GPT as train.py saves it after training: `best_params.jl`, a list of arrays in the order of its variables."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np

from parity.checkpoints.bytes import fill
from parity.checkpoints.checkpoint import TensorEntry
from parity.checkpoints.joblib import Stored, read_list
from parity.checkpoints.openai import CLASSIFIER, JOINED, named
from parity.errors import ParityError
from parity.tensorfile import Array

FORMAT = "openai-joblib"
SUFFIX = ".jl"


class JoblibCheckpoint:
    """An opened list of trained parameters.

    Attributes:
        prefix: the file itself.
        files: the same.
        entries: what there is, by name in ascending order.
    """

    format = FORMAT

    def __init__(self, path: Path, tensors: Mapping[str, Stored]) -> None:
        self._tensors: Mapping[str, Stored] | None = tensors
        self.prefix = path
        self.files = (path,)
        self.entries: Mapping[str, TensorEntry] = MappingProxyType(
            {
                name: TensorEntry(name, stored.dtype, stored.shape, stored.nbytes, (0,), 1)
                for name, stored in sorted(tensors.items())
            }
        )

    def read(self, name: str, *, verify: bool = True) -> Array:
        """Read one tensor. The format has no checksums to `verify`.

        Raises:
            ParityError: no such tensor, a file that was cut off since it was opened, or a closed checkpoint.
        """
        if self._tensors is None:
            raise ParityError("the checkpoint is closed", where=self.prefix)
        if name not in self._tensors:
            near = ", ".join(difflib.get_close_matches(name, self._tensors, n=3))
            raise ParityError(f"there is no tensor {name}", where=self.prefix, expected=near or None)
        stored = self._tensors[name]
        array = np.empty(stored.shape[::-1] if stored.fortran else stored.shape, stored.dtype)
        fill(self.prefix, stored.offset, array)
        return np.ascontiguousarray(array.T) if stored.fortran else array

    def close(self) -> None:
        """Refuse further reads. Idempotent."""
        self._tensors = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def locate_joblib(path: Path) -> Path | None:
    """The list that `path` means: a file `*.jl`, or the only one of a folder; None = none."""
    try:
        if path.suffix == SUFFIX and path.is_file():
            return path
        found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else []
    except (OSError, ValueError):
        return None
    return _only(path, found)


def _only(folder: Path, found: Sequence[Path]) -> Path | None:
    if len(found) > 1:
        got = ", ".join(path.name for path in found[:5])
        raise ParityError("holds several lists of parameters", where=folder, got=got, remedy="name one of them")
    return found[0] if found else None


def open_joblib(path: Path) -> JoblibCheckpoint:
    """Open the list.

    Raises:
        ParityError: not a list of arrays, or not the arrays of a GPT in their order.
    """
    stored = read_list(path)
    tensors = named([one.shape for one in stored], JOINED, where=path, ends=CLASSIFIER)
    return JoblibCheckpoint(path, {name: one for (name, _), one in zip(tensors, stored, strict=True)})
