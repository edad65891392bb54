"""Streams that believe no declared size: what `zipfile` and `tarfile` read through them stays small."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import IO

MAX_READ = 1 << 20
"""Bytes of a header, long name, directory or piece of data that are read at once."""


class Bounded(io.BufferedIOBase):
    """A file, for zipfile, of which nobody reads more than a directory's worth at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        file.seek(0)

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file.

        Raises:
            BadZipFile: there is no such place.
        """
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            raise zipfile.BadZipFile(f"a place at {offset} bytes") from error

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, or what is left.

        Raises:
            BadZipFile: that is too much.
        """
        least = self._size - self._file.tell() if size is None or size < 0 else size
        if least > MAX_READ:
            raise zipfile.BadZipFile(f"a directory of {least} bytes")
        return self._file.read(least)


class Forward(io.BufferedIOBase):
    """A stream, for tarfile, that is only read forward and never past `limit`; skipping reads, so it counts, too."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit, self._at = file, limit, 0

    def seekable(self) -> bool:
        """True, forward."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read on to a later place, or to the end.

        Raises:
            ReadError: the place lies behind.
        """
        if whence != io.SEEK_SET or offset < self._at:
            raise tarfile.ReadError("it points backwards")
        while self._at < offset and self.read(min(MAX_READ, offset - self._at)):
            pass
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes.

        Raises:
            ReadError: that is too much at once or in all.
        """
        if size is None or not 0 <= size <= MAX_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        data = self._file.read(size)
        self._at += len(data)
        if self._at > self._limit:
            raise tarfile.ReadError("it expands to far more than weights do")
        return data
