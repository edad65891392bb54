"""Folders that are costly to make and can be made again: built once, shared between processes, bounded in size.

An entry is a folder `<root>/<kind>/<name>`. Beside it lies `.<name>.lock`: held exclusively by who builds, shared by
every process that uses the entry until that process ends, and touched at each use. So eviction knows what was used
last and what is in use now, and a build that died leaves nothing that anyone would take for whole.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.errors import ParityError

_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_in_use: dict[Path, int] = {}
_PATIENCE_S = 0.01


def cache_root() -> Path:
    """`$PARITY_CACHE`, else the platform's cache folder for this program; not created."""
    chosen = os.environ.get("PARITY_CACHE")
    if chosen:
        return expanded(chosen).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("parity", appauthor=False)


def expanded(text: str) -> Path:
    """The path with a leading `~` replaced.

    Raises:
        ParityError: there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ParityError("no home folder is known for this path", got=text, remedy="write the path out") from error


def cache_limit() -> int:
    """Bytes that the cache may hold: `$PARITY_CACHE_LIMIT` such as `500MB` or `40 GiB`, by default 40 GB.

    Raises:
        ParityError: the variable is not a size.
    """
    text = os.environ.get("PARITY_CACHE_LIMIT", "40GB")
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?I?)B?", text.strip().upper())
    if match is None or match[2] not in _UNITS:
        raise ParityError(
            "PARITY_CACHE_LIMIT is not a size", got=repr(text), expected="a number with a unit, such as 40GB"
        )
    return int(float(match[1]) * _UNITS[match[2]])


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` to write into; it takes that name when the block ends well, else it is removed.

    Raises:
        ParityError: `folder` exists already, or the disk refuses.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        if folder.exists():
            raise ParityError("exists already", where=folder, remedy="name another folder or remove this one")
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(folder)
    except OSError as error:
        raise ParityError(
            f"cannot be written: {error.strerror or error}",
            where=folder,
            remedy="free space there, or point PARITY_CACHE elsewhere",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Make sure that the entry `folder` exists, calling `build` with an empty folder beside it if it does not.

    Safe against concurrent processes (one builds, the others wait) and against dying builds (nothing is left under
    `folder`'s name). The calling process counts as a user of the entry until it ends.

    Raises:
        ParityError: the disk refuses; besides, whatever `build` raises. Then nothing is left behind.
    """
    while not use(folder):
        try:
            with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                if not folder.is_dir():
                    # Whoever left these is dead: the living hold the lock.
                    for stale in folder.parent.glob(f".{folder.name}.*.part"):
                        shutil.rmtree(stale, ignore_errors=True)
                    with whole(folder) as temporary:
                        build(temporary)
        except BlockingIOError:
            # Wait for the builder as a user would: once it is done it holds the entry for as long as it lives, and
            # waiting for the exclusive lock would be waiting for its end.
            with _locked(folder, fcntl.LOCK_SH):
                time.sleep(_PATIENCE_S)
    return folder


def use(folder: Path) -> bool:
    """Count this process as a user of an existing entry until it ends; False if there is no such entry."""
    if not folder.is_dir():
        if folder in _in_use:
            os.close(_in_use.pop(folder))
        return False
    if folder not in _in_use:
        descriptor = _open_lock(folder)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not folder.is_dir():
            os.close(descriptor)
            return False
        _in_use[folder] = descriptor
    os.utime(_in_use[folder])
    return True


def in_use(folder: Path) -> bool:
    """Whether some process builds or uses this entry; asking leaves no trace."""
    if not _lock_file(folder).exists():
        return False
    try:
        with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True


def evict(root: Path, limit_bytes: int) -> tuple[Path, ...]:
    """Delete entries under `root`, least recently used first, until they hold at most `limit_bytes`.

    Entries that are being built or used by any process are left alone, even if the limit is then missed.

    Returns:
        the entries deleted, in that order.
    """
    sizes = {path: entry_bytes(path) for path in entries(root)}
    total, gone = sum(sizes.values()), []
    for path in sorted(sizes, key=last_use):
        if total > limit_bytes and remove(path):
            total -= sizes[path]
            gone.append(path)
    return tuple(gone)


def entries(root: Path) -> tuple[Path, ...]:
    """All entries under `root`, by name."""
    return tuple(path for path in sorted(root.glob("*/*")) if path.is_dir() and not path.name.startswith("."))


def remove(folder: Path) -> bool:
    """Delete one entry; False if some process builds or uses it, or it has gone."""
    try:
        with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            # Renamed first, so that a deletion cut short leaves no half entry under a good name.
            doomed = folder.with_name(f".{folder.name}.{os.getpid()}.part")
            folder.rename(doomed)
            shutil.rmtree(doomed)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def _locked(folder: Path, mode: int) -> Iterator[None]:
    descriptor = _open_lock(folder)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)


def _open_lock(folder: Path) -> int:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return os.open(_lock_file(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ParityError(
            f"the cache cannot be written: {error.strerror or error}",
            where=folder.parent,
            remedy="point PARITY_CACHE to a folder of yours",
        ) from error


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def last_use(folder: Path) -> int:
    """When the entry was last used, in nanoseconds since the epoch."""
    lock = _lock_file(folder)
    return (lock if lock.exists() else folder).stat().st_mtime_ns


def entry_bytes(folder: Path) -> int:
    """Bytes that an entry holds on disk."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
