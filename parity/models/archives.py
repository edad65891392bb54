"""Named files out of an archive from outside: only they are written, each checked before and counted while it is read.

Nothing is left to a library's `extract`: of an archive come names, kinds, sizes and bytes, never paths to write to,
modes, owners or links. The archive is listed first and judged as a whole; then the wanted members are read in order.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from parity.errors import ParityError, Problems
from parity.models.members import Archive, BadArchive, Member, opened_archive

MAX_MEMBERS = 10_000
RATIO = 20
"""Weights hardly compress: a published archive unpacks to about 1.1 times its size."""
SLACK = 64 << 20
"""Bytes allowed beside the ratio: small files may compress well."""
_SHOWN = 8

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Unpacked:
    """What was written, and what the archive holds besides. `parent` is where the files lay in it."""

    files: tuple[Path, ...]
    parent: str
    left_out: tuple[str, ...]


def unpack(
    archive: Path,
    into: Path,
    *,
    folder: str,
    files: Sequence[str],
    limit: int,
    advance: Advance = lambda done, total: None,
) -> Unpacked:
    """Write `files` of an archive to `into/folder`.

    Args:
        archive: zip, tar or tar.gz, told apart by content.
        into: an existing folder in which there is no `folder`.
        folder: where in the archive the files lie. If they do not, the only folder that holds them all is taken.
        files: paths in that folder; all of them must be there, as regular files.
        limit: bytes that they may take in all.
        advance: told of bytes written so far, and in all.

    Raises:
        BadArchive: no archive, damaged, hostile, or without one of the files. What was written till then stays.
        ParityError: larger than the limit or the room on the disk; nothing is written.
    """
    with opened_archive(archive) as inside:
        members = _listed(inside, archive)
        chosen = _chosen(members, folder, files, archive)
        total = sum(member.size for member in chosen.values())
        _bounded(total, archive, into, limit)
        wanted = {member.index: into / folder / name for name, member in chosen.items()}
        done = 0
        for member, chunks in inside.read(wanted):
            target = wanted[member.index]
            target.parent.mkdir(parents=True, exist_ok=True)
            for size in _written(chunks, target, member, archive):
                done += size
                advance(done, total)
    parent = _parent(chosen[files[0]], files[0]) or ()
    taken = {member.index for member in chosen.values()}
    left = tuple(member.name for member in members if member.index not in taken and member.kind != "folder")
    return Unpacked(tuple(into / folder / name for name in files), "/".join(parent), left)


def _listed(inside: Archive, archive: Path) -> list[Member]:
    members: list[Member] = []
    for member in inside.members():
        if len(members) == MAX_MEMBERS:
            raise BadArchive("holds too many members", where=archive, expected=f"at most {MAX_MEMBERS}")
        members.append(member)
    problems = Problems("this archive is not unpacked", where=archive)
    for member in members:
        if (what := _unsafe(member)) is not None:
            problems.add(what, got=member.name)
    problems.raise_if_any(BadArchive)
    return members


def _unsafe(member: Member) -> str | None:
    """Why no honest archive holds such a member."""
    name = member.name
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "a member has an absolute path"
    if ".." in name.replace("\\", "/").split("/"):
        return "a member lies outside the archive's own folder"
    if "\0" in name or not name.strip("./"):
        # `./` itself is how tar names the folder it packed.
        return None if member.kind == "folder" and "\0" not in name else "a member has no name"
    return "a member has a negative size" if member.size < 0 else None


def _chosen(members: Sequence[Member], folder: str, files: Sequence[str], archive: Path) -> dict[str, Member]:
    """The member of each file: all of one folder, regular, and none of a name that another has, too."""
    parents = Counter(
        parent for name in files for parent in {_parent(m, name) for m in members if _parent(m, name) is not None}
    )
    whole = [parent for parent, count in parents.items() if count == len(files)]
    parent = (folder,) if (folder,) in whole or len(whole) != 1 else whole[0]
    problems = Problems("not the archive that the card describes", where=archive)
    twins = Counter(_key(m.parts) for m in members)
    chosen: dict[str, Member] = {}
    for name in files:
        parts = (*parent, *PurePosixPath(name).parts) if parent else PurePosixPath(name).parts
        found = [m for m in members if m.parts == parts]
        if not found:
            held = [m.name for m in members if m.kind == "file"]
            shown = ", ".join(held[:_SHOWN]) + (f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else "")
            problems.add(f"{'/'.join(parts)} is not in it", got=shown or "no file at all")
        elif twins[_key(parts)] > 1:
            problems.add("several members have this name", got=found[0].name)
        elif found[0].kind != "file":
            problems.add(f"{found[0].name} is no regular file", got=found[0].kind)
        else:
            chosen[name] = found[0]
    problems.raise_if_any(BadArchive)
    return chosen


def _parent(member: Member, name: str) -> tuple[str, ...] | None:
    """The folder under which this member would be that file."""
    tail = PurePosixPath(name).parts
    return member.parts[: -len(tail)] if member.parts[-len(tail) :] == tail else None


def _key(parts: Sequence[str]) -> str:
    """Names that some file system takes for one."""
    return unicodedata.normalize("NFC", "/".join(parts)).casefold()


def _bounded(total: int, archive: Path, into: Path, limit: int) -> None:
    packed = archive.stat().st_size
    if total > RATIO * packed + SLACK:
        raise BadArchive(
            "unpacks to far more than weights do", where=archive, got=f"{total} bytes", expected=f"of {packed} packed"
        )
    if total > limit:
        raise ParityError(
            "unpacks to more than the cache may hold",
            where=archive,
            got=f"{total} bytes",
            expected=f"at most {limit}",
            remedy="raise PARITY_CACHE_LIMIT",
        )
    free = shutil.disk_usage(into).free
    if total > free:
        raise ParityError(
            "unpacks to more than the disk has room for",
            where=into,
            got=f"{total} bytes",
            expected=f"at most {free}",
            remedy="free space there (`parity cache clear`), or point PARITY_CACHE elsewhere",
        )


def _written(chunks: Iterator[bytes], target: Path, member: Member, archive: Path) -> Iterator[int]:
    """Write a member, yielding the size of each piece; no more and no less than it declares."""
    done = 0
    with target.open("xb") as file:
        for chunk in chunks:
            done += len(chunk)
            if done > member.size:
                raise BadArchive("a member is longer than it says", where=archive, got=member.name)
            file.write(chunk)
            yield len(chunk)
    if done != member.size:
        raise BadArchive(
            f"{member.name} is shorter than it says", where=archive, got=f"{done} bytes", expected=member.size
        )
