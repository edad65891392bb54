"""Opening whatever checkpoint a path means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from parity.checkpoints.bundle import open_bundle
from parity.checkpoints.checkpoint import Checkpoint
from parity.checkpoints.flat import locate_flat, open_flat
from parity.checkpoints.joblib_list import locate_joblib, open_joblib
from parity.errors import ParityError

_FORMATS: tuple[tuple[Callable[[Path], Path | None], Callable[[Path], Checkpoint]], ...] = (
    (locate_flat, open_flat),
    (locate_joblib, open_joblib),
)
"""Formats besides TensorFlow's: what file of theirs a path means, if any, and how that is opened."""


def open_checkpoint(path: Path) -> Checkpoint:
    """Open the checkpoint that `path` means.

    Of TensorFlow's V2 format: a folder, prefix, `.index`, `.data-…`, `.meta` or `checkpoint` file. Of OpenAI's GPT: the
    folder of `params_shapes.json`, that file, or one of the `params_N.npy` beside it; or the `best_params.jl` that its
    training saved, or its folder.

    Raises:
        ParityError: there is none, several are meant, it is damaged or mixed up, or of a format that is not read (V1,
            object-based, and others, named by what they are).
    """
    found = [(file, read) for locate, read in _FORMATS if (file := locate(path)) is not None]
    if not found:
        return open_bundle(path)
    if path.is_dir():
        held = [*(file.name for file, _ in found), *(index.name for index in path.glob("*.index"))]
        if len(held) > 1:
            got = ", ".join(held[:5])
            raise ParityError("holds several checkpoints", where=path, got=got, remedy="name one of them")
    file, read = found[0]
    return read(file)
