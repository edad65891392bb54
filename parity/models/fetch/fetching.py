"""The steps of a fetch: transfer from the first mirror that serves, compare, unpack, and show the whole at once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pooch  # type: ignore[import-untyped, unused-ignore]

from parity.errors import ParityError, Problems
from parity.models.archives import Unpacked, unpack
from parity.models.cache import build_once, cache_limit, cache_root, evict, use
from parity.models.fetch.plan import Item, downloads, entry, items, present
from parity.models.fetch.record import record, record_file, recorded
from parity.models.fetch.resume import Resumable, Watch
from parity.models.members import BadArchive

if TYPE_CHECKING:
    from parity.models.schema import Card

T = TypeVar("T")


@dataclass(frozen=True)
class Fetched:
    """Where a card's files are. `new` is False if they were there before; `notes` is what a user should know."""

    folder: Path
    files: tuple[Path, ...]
    new: bool
    checksums: dict[str, str]
    notes: tuple[str, ...]


def fetch(card: Card, *, watch: Watch = lambda what, done, total: None) -> Fetched:
    """Make sure that a card's published files are here; safe against other processes that fetch the same.

    Args:
        card: whose files.
        watch: told of progress.

    Raises:
        ParityError: no mirror serves a file, or not the one known by its checksum; the archive is refused; no room.
            What was transferred in part is kept in the cache, and the next call goes on from there.
    """
    _quiet()
    folder = present(card)
    if folder is None:
        job = _Job(card, watch)
        build_once(entry(card), job.build)
        # Not in use any more, and gone: this lets go of the lock.
        use(downloads(card))
        evict(cache_root(), cache_limit())
        built = entry(card) / card.source.folder
        paths = tuple(built / name for name in card.source.files)
        return Fetched(built, paths, new=True, checksums=job.checksums, notes=tuple(job.notes))
    return Fetched(folder, tuple(folder / name for name in card.source.files), new=False, checksums={}, notes=())


class _Job:
    """One fetch under way: what it found besides the files."""

    def __init__(self, card: Card, watch: Watch) -> None:
        self.card, self.watch = card, watch
        self.checksums: dict[str, str] = {}
        self.notes: list[str] = []

    def build(self, empty: Path) -> None:
        """Fill the entry. Only the builder comes here, so that the downloads are its own."""
        shelf = downloads(self.card)
        while not use(shelf):
            # Whoever clears the cache may be quicker.
            shelf.mkdir(parents=True, exist_ok=True)
        known, room = recorded(self.card.name), cache_limit()
        here: dict[str, Path] = {}
        for item in items(self.card):
            expected = item.sha256 or known.get(item.name)
            if item.is_archive:
                self._from_archive(item, expected, room, empty)
                continue
            here[item.name] = path = _first(item.urls, lambda url: self._file(item, url, expected, room))  # noqa: B023
            room -= path.stat().st_size
            self._note(item, path, known)
        for name, path in here.items():
            target = empty / self.card.source.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        shutil.rmtree(shelf)

    def _from_archive(self, item: Item, expected: str | None, room: int, empty: Path) -> None:
        def attempt(url: str) -> tuple[Path, Unpacked]:
            path = self._file(item, url, expected, room)
            try:
                return path, self._unpack(path, empty, room)
            except BadArchive:
                # Not to be met again at the next try, unless it is what was asked for.
                if item.sha256 is None:
                    path.unlink()
                raise

        path, unpacked = _first(item.urls, attempt)
        if unpacked.parent != self.card.source.folder:
            self.notes.append(f"the files lay in {unpacked.parent or 'no folder'!r} of the archive")
        if unpacked.left_out:
            self.notes.append(f"not unpacked, as the card does not name them: {', '.join(unpacked.left_out)}")
        self._note(item, path, recorded(self.card.name))

    def _unpack(self, path: Path, empty: Path, room: int) -> Unpacked:
        origin = self.card.source
        try:
            return unpack(
                path,
                empty,
                folder=origin.folder,
                files=origin.files,
                limit=room,
                advance=lambda done, total: self.watch(f"unpack {path.name}", done, total),
            )
        except ParityError:
            shutil.rmtree(empty / origin.folder, ignore_errors=True)
            raise

    def _file(self, item: Item, url: str, expected: str | None, room: int) -> Path:
        """The file as pooch keeps it: found there and compared, or transferred and compared."""
        shelf = downloads(self.card)
        transfer = Resumable(
            part=shelf / f"{item.name}.part",
            limit=room,
            watch=self.watch,
            name=item.name,
            provable=item.is_archive or expected is not None,
        )
        try:
            known = expected and f"sha256:{expected}"
            return Path(pooch.retrieve(url, known_hash=known, fname=item.name, path=shelf, downloader=transfer))
        except ValueError as error:
            told = item.sha256 is not None
            raise ParityError(
                f"not the file that {'the card names' if told else 'was fetched before'}: {error}",
                where=url,
                remedy="try again, and tell the card's authors if it stays"
                if told
                else f"if its publisher replaced it, delete {record_file(self.card.name)} and fetch again",
            ) from error

    def _note(self, item: Item, path: Path, known: dict[str, str]) -> None:
        """Remember the checksum of a file that none was known of."""
        self.checksums[item.name] = item.sha256 or known.get(item.name) or pooch.file_hash(path, alg="sha256")
        if item.sha256 is None and item.name not in known:
            record(self.card.name, {item.name: self.checksums[item.name]})


def _first(urls: Sequence[str], attempt: Callable[[str], T]) -> T:
    """What the first mirror gives with which the attempt does well; else why none did."""
    problems = Problems("no mirror gave the file")
    for url in urls:
        try:
            return attempt(url)
        except ParityError as error:
            problems.extend([error])
    problems.raise_if_any()
    raise AssertionError("no urls")


def _quiet() -> None:
    """Pooch tells of each step on stderr; a user reads ours."""
    pooch.get_logger().setLevel(logging.ERROR)
