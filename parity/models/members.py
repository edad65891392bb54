"""What zip and tar have in common, read with bounds: names, kinds and sizes of members, then the bytes of some."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from parity.errors import ParityError
from parity.models.bounded import Bounded, Forward

CHUNK = 1 << 20
EXPANSION = 20
SLACK = 256 << 20
"""A gzip stream is read to its end; past so much more than its size it is a bomb."""


class BadArchive(ParityError):
    """The archive's own fault; another copy may be good."""


@dataclass(frozen=True)
class Member:
    """One member as the archive tells of it. `kind` is file, folder, or what else it is; `parts` is the path."""

    index: int
    name: str
    parts: tuple[str, ...]
    size: int
    kind: str


class Archive(Protocol):
    """An archive that can be listed, then read."""

    def members(self) -> Iterator[Member]:
        """All members in the archive's order."""

    def read(self, wanted: Container[int]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """The members of these indices in the archive's order; each one's bytes before the next is asked for."""


@contextmanager
def opened_archive(path: Path) -> Iterator[Archive]:
    """The archive at `path`, by its first bytes.

    Raises:
        BadArchive: neither zip, gzip nor tar; or damaged, whenever that is found.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(262)
            file.seek(0)
            if begin.startswith(b"PK\x03\x04"):
                with zipfile.ZipFile(Bounded(file)) as packed:
                    yield _Zip(packed, path)
            elif begin.startswith(b"\x1f\x8b") or begin[257:262] == b"ustar":
                yield _Tar(path)
            else:
                shown = begin[:24].decode("latin-1")
                raise BadArchive("neither zip nor tar", where=path, got=repr(shown))
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, NotImplementedError) as error:
        raise BadArchive(f"damaged or cut short: {error}", where=path) from error
    except (RecursionError, ValueError, OverflowError, IndexError, struct.error) as error:
        raise BadArchive(f"damaged: {type(error).__name__} while it was read", where=path) from error


@dataclass(frozen=True)
class _Zip:
    packed: zipfile.ZipFile
    path: Path

    def members(self) -> Iterator[Member]:
        for index, info in enumerate(self.packed.infolist()):
            yield Member(index, info.orig_filename, _parts(info.filename), info.file_size, _zip_kind(info))

    def read(self, wanted: Container[int]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        for member, info in zip(self.members(), self.packed.infolist(), strict=True):
            if member.index in wanted:
                with self.packed.open(info) as stream:
                    yield member, _chunks(stream)


@dataclass(frozen=True)
class _Tar:
    path: Path

    def members(self) -> Iterator[Member]:
        for member, _, _ in self._walk():
            yield member

    def read(self, wanted: Container[int]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        for member, packed, info in self._walk():
            if member.index in wanted:
                stream = packed.extractfile(info)
                assert stream is not None
                yield member, _chunks(stream)

    def _walk(self) -> Iterator[tuple[Member, tarfile.TarFile, tarfile.TarInfo]]:
        with self.path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            plain = gzip.GzipFile(fileobj=file) if zipped else file
            bounded = Forward(plain, EXPANSION * size + SLACK)  # type: ignore[arg-type]
            with tarfile.open(fileobj=bounded, mode="r:") as packed:
                for index, info in enumerate(packed):
                    yield Member(index, info.name, _parts(info.name), info.size, _tar_kind(info)), packed, info
            while bounded.read(CHUNK):
                # Only its end holds gzip's checksum.
                pass


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir():
        return "folder"
    if mode not in (0, stat.S_IFREG):
        return _KINDS.get(mode, "special file")
    if info.flag_bits & 0x1:
        return "encrypted"
    return "file" if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else "unknown compression"


_KINDS = {stat.S_IFLNK: "symbolic link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFCHR: "device"}


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "sparse file"
    return next((name for name, holds in _TAR_KINDS.items() if holds(info)), "special file")


_TAR_KINDS = {
    "file": tarfile.TarInfo.isreg,
    "folder": tarfile.TarInfo.isdir,
    "symbolic link": tarfile.TarInfo.issym,
    "hard link": tarfile.TarInfo.islnk,
    "device": tarfile.TarInfo.isdev,
}
