"""Results put where the old tools put them: single files, or files in a folder that holds others already."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from parity.errors import ParityError, Problems


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A folder on the same disk as the results; it vanishes, and so do folders made for it that stay empty."""
    part = beside / f".parity.{os.getpid()}.part"
    made = [folder for folder in (beside, *beside.parents) if not folder.exists()]
    try:
        part.mkdir(parents=True)
    except OSError as error:
        what = f"cannot write here: {error.strerror}"
        raise ParityError(what, where=beside, remedy="choose another place") from error
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def check_free(wanted: Iterable[Path], *, sources: Iterable[Path], force: bool) -> None:
    """Refuse what would be overwritten, before anything is made.

    Raises:
        ParityError: a result is there already and `force` is off, or it is one of the sources.
    """
    kept = {path.resolve() for path in sources}
    problems = Problems("the results have no place")
    for path in wanted:
        if path.resolve() in kept:
            problems.add(f"{path} is what is being converted", remedy="choose another place")
        elif path.is_dir():
            problems.add(f"{path} is a folder", remedy="choose another place")
        elif (path.exists() or path.is_symlink()) and not force:
            problems.add(f"{path} is already there", remedy="choose another place, or `parity legacy --force ...`")
    problems.raise_if_any()


def put(parts: Mapping[Path, Path], *, force: bool) -> None:
    """Move every finished file to its place: all of them, or none.

    Args:
        parts: place by finished file. A file of the same bytes is left as it is.
        force: replace what is there.

    Raises:
        ParityError: something is there and `force` is off.
    """
    wanted = {made: place for made, place in parts.items() if not _same(made, place)}
    check_free(wanted.values(), sources=(), force=force)
    moved: list[Path] = []
    kept: list[tuple[Path, Path]] = []
    try:
        for made, place in wanted.items():
            if place.exists() or place.is_symlink():
                old = place.with_name(f".{place.name}.{os.getpid()}.old")
                place.rename(old)
                kept.append((old, place))
            made.rename(place)
            moved.append(place)
    except BaseException:
        for place in moved:
            place.unlink(missing_ok=True)
        for old, place in kept:
            old.rename(place)
        raise
    for old, _ in kept:
        old.unlink()


def _same(made: Path, place: Path) -> bool:
    return place.is_file() and filecmp.cmp(made, place, shallow=False)
