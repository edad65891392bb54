"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    made = [parent for parent in out.parents if not parent.exists()]
    try:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            part.mkdir()
        except OSError as error:
            what = f"cannot write here: {error.strerror}"
            raise ParityError(what, where=out.parent, remedy="choose another OUT") from error
        yield part
        # What came there in the meantime is not ours to replace.
        check_free(out, force=force)
        _put(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()


def _put(part: Path, out: Path) -> None:
    if not out.exists() and not out.is_symlink():
        part.rename(out)
        return
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    out.rename(old)
    try:
        part.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()


def check_free(out: Path, *, force: bool) -> None:
    """Refuse to overwrite.

    Raises:
        ParityError: `out` exists and `force` is off.
    """
    if (out.exists() or out.is_symlink()) and not force:
        raise ParityError("already there", where=out, remedy="choose another OUT or add --force")
