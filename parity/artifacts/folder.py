"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.errors import ParityError


@contextmanager
def new_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a folder to fill beside `out`; it takes `out`'s place when the block ends well, and vanishes otherwise.

    Args:
        out: the folder to make.
        force: replace what is there, which stays until the new one is complete.

    Raises:
        ParityError: something is there already, or the place cannot be written to.
    """
    out = Path.cwd() / out
    check_free(out, force=force)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
    except OSError as error:
        raise ParityError(
            f"cannot write here: {error.strerror}", where=out.parent, remedy="choose another OUT"
        ) from error
    try:
        yield part
        if out.exists() or out.is_symlink():
            old = out.with_name(f".{out.name}.{os.getpid()}.old")
            out.rename(old)
            part.rename(out)
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        else:
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_free(out: Path, *, force: bool) -> None:
    """Refuse to overwrite.

    Raises:
        ParityError: `out` exists and `force` is off.
    """
    if (out.exists() or out.is_symlink()) and not force:
        raise ParityError("already there", where=out, remedy="choose another OUT or add --force")
