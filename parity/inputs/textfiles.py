"""Text from outside: UTF-8, of a believable size, with errors that say where."""

from __future__ import annotations

from pathlib import Path

from parity.errors import ParityError

LARGEST = 64 << 20
"""Bytes; a vocabulary or a list of sentences beyond it is some other file named by mistake."""


def read_utf8(path: Path, *, largest: int = LARGEST) -> str:
    """The whole file, line ends as they are.

    Raises:
        ParityError: missing, not a file, larger than `largest` bytes, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > largest:
            raise ParityError(
                "too large for a text file",
                where=path,
                got=f"{size} bytes",
                expected=f"at most {largest}",
                remedy="name another file or cut it into parts",
            )
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ParityError(f"cannot be read: {reason}", where=path, remedy="check the path") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParityError(
            f"not UTF-8 text at byte {error.start} (line {line})", where=path, remedy="save the file as UTF-8"
        ) from error


def read_texts(path: Path) -> tuple[str, ...]:
    r"""One text a line; blank lines are dropped, a byte order mark and `\r` before a line's end too.

    Raises:
        ParityError: unreadable (see `read_utf8`), or no text in it.
    """
    lines = read_utf8(path).removeprefix("\ufeff").split("\n")
    texts = tuple(line.removesuffix("\r") for line in lines if line.strip())
    if not texts:
        raise ParityError("holds no text", where=path, remedy="write one text a line")
    return texts
