"""What the cache holds, entry by entry, and which of them go when a user clears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.errors import ParityError, Problems
from parity.models.cache import cache_root, entries, entry_bytes, in_use, last_use, remove


@dataclass(frozen=True)
class Entry:
    """One entry: `last_use` in seconds since the epoch, `in_use` by whatever process."""

    kind: str
    name: str
    bytes: int
    last_use: float
    in_use: bool
    path: Path


def listed() -> tuple[Entry, ...]:
    """All entries of the cache, by kind and name."""
    return tuple(
        Entry(path.parent.name, path.name, entry_bytes(path), last_use(path) / 1e9, in_use(path), path)
        for path in entries(cache_root())
    )


def selected(names: Sequence[str], *, kind: str | None, everything: bool) -> tuple[Entry, ...]:
    """The entries that are meant: by name or KIND/NAME, of one kind, or all.

    Raises:
        ParityError: nothing is named, all besides names, or a name or kind of nothing that is there.
    """
    if not names and kind is None and not everything:
        raise ParityError("say what to clear", expected="NAME..., --kind KIND or --all", remedy="`parity cache` lists")
    if everything and (names or kind is not None):
        raise ParityError("--all goes without names and --kind")
    here = listed()
    of_kind = [entry for entry in here if kind in (None, entry.kind)]
    problems = Problems("nothing is cleared", where=cache_root())
    if kind is not None and not of_kind:
        problems.add(f"no entry of kind {kind}", expected=", ".join(sorted({e.kind for e in here})) or "an entry")
    for name in names:
        if not any(name in _names(entry) for entry in of_kind):
            problems.add(f"no entry {name}", remedy="`parity cache` lists them")
    problems.raise_if_any()
    return tuple(entry for entry in of_kind if not names or set(names) & _names(entry))


def cleared(chosen: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Delete entries; those deleted, and those left because some process uses them."""
    gone = tuple(entry for entry in chosen if remove(entry.path))
    return gone, tuple(entry for entry in chosen if entry not in gone and entry.path.is_dir())


def _names(entry: Entry) -> set[str]:
    return {entry.name, f"{entry.kind}/{entry.name}"}
