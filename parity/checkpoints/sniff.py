"""What a file is, by its first and last bytes; nothing is unpacked, unpickled or believed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parity.checkpoints.sstable import MAGIC
from parity.checkpoints.wire import read_varint
from parity.errors import ParityError

_HEAD = 512
_OTHER = "give the TensorFlow checkpoint it was made from"


@dataclass(frozen=True)
class Kind:
    """A kind of file: how messages call it, and what to do when a checkpoint was wanted."""

    name: str
    description: str
    remedy: str = _OTHER


_V1_REMEDY = (
    "save it again in V2 format: restore it with tf.compat.v1.train.Saver (TensorFlow 1 or 2) "
    "and save with write_version=tf.compat.v1.train.SaverDef.V2"
)
_UNPACK = "unpack it and give the folder"
KINDS = {
    kind.name: kind
    for kind in (
        Kind("tensorflow-v2", "the index of a TensorFlow V2 checkpoint", "call it PREFIX.index, beside its data files"),
        Kind("tensorflow-v1", "a TensorFlow V1 checkpoint (one file, no .index)", _V1_REMEDY),
        Kind("checkpoint-state", "the text file that only names checkpoints", "give the folder it is in"),
        Kind("hdf5", "an HDF5 file (Keras .h5)"),
        Kind("pytorch", "a PyTorch file"),
        Kind("pickle", "a Python pickle, which is never executed here"),
        Kind("npz", "a NumPy archive (.npz)"),
        Kind("npy", "a NumPy array (.npy)", "give the folder that holds all arrays of the checkpoint"),
        Kind("safetensors", "a safetensors file"),
        Kind("gguf", "a GGUF file"),
        Kind("zip", "a zip archive", _UNPACK),
        Kind("tar", "a tar archive", _UNPACK),
        Kind("gzip", "a gzip-compressed file", _UNPACK),
        Kind("xz", "an xz-compressed file", _UNPACK),
        Kind("bzip2", "a bzip2-compressed file", _UNPACK),
        Kind("html", "a web page, probably an error page saved as a file", "download the checkpoint again"),
        Kind("git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull` in its repository"),
        Kind("empty", "an empty file", "download or copy it again"),
        Kind("unknown", "a file of no kind known here", "give a checkpoint's folder, prefix or .index file"),
    )
}  # fmt: skip

_MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("checkpoint-state", 0, b"model_checkpoint_path:"),
    ("hdf5", 0, b"\x89HDF\r\n\x1a\n"),
    ("pytorch", 0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."),
    *(("pickle", 0, bytes([0x80, protocol])) for protocol in range(2, 6)),
    ("npy", 0, b"\x93NUMPY"),
    ("gguf", 0, b"GGUF"),
    ("tar", 257, b"ustar"),
    ("gzip", 0, b"\x1f\x8b"),
    ("xz", 0, b"\xfd7zXZ\x00"),
    ("bzip2", 0, b"BZh"),
    ("git-lfs", 0, b"version https://git-lfs"),
)


def sniff(path: Path) -> str:
    """The kind of the file at `path`: a key of `KINDS`.

    Raises:
        ParityError: there is no regular file, or it cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ParityError(
                "not a regular file", where=path, remedy="give a checkpoint's folder, prefix or .index file"
            )
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(status.st_size - len(MAGIC), 0))
            tail = file.read(len(MAGIC))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    for find in (_by_magic, _by_table, _by_zip, _by_safetensors, _by_markup):
        found = find(head, tail, status.st_size)
        if found:
            return found
    return "unknown"


def refusal(path: Path) -> ParityError:
    """The error for a file that was taken for a checkpoint; says what it is instead."""
    kind = KINDS[sniff(path)]
    return ParityError(
        f"this is {kind.description}", where=path, expected="a TensorFlow V2 checkpoint", remedy=kind.remedy
    )


def unreadable(path: Path, error: Exception) -> ParityError:
    """The error for a file the system does not give us."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ParityError(f"cannot be read: {reason}", where=path, remedy="check the path and its permissions")


_Find = Callable[[bytes, bytes, int], str | None]


def _by_magic(head: bytes, tail: bytes, size: int) -> str | None:
    if not size:
        return "empty"
    return next((name for name, at, magic in _MAGIC if head[at:].startswith(magic)), None)


def _by_table(head: bytes, tail: bytes, size: int) -> str | None:
    """Both TensorFlow formats are tables; only the first value tells a bundle's header (field 1 a number)."""
    if tail != MAGIC:
        return None
    try:
        _, start = read_varint(head, 2)
    except ParityError:
        return "tensorflow-v1"
    return "tensorflow-v2" if head[:2] == b"\0\0" and head[start : start + 1] == b"\x08" else "tensorflow-v1"


def _by_zip(head: bytes, tail: bytes, size: int) -> str | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    suffixes = (
        (b".npy", "npz"),
        (b"/data.pkl", "pytorch"),
        (b"/.format_version", "pytorch"),
        (b"/byteorder", "pytorch"),
    )
    return next((name for suffix, name in suffixes if first.endswith(suffix)), "zip")


def _by_safetensors(head: bytes, tail: bytes, size: int) -> str | None:
    length = int.from_bytes(head[:8], "little")
    return "safetensors" if head[8:9] == b"{" and length <= size - 8 else None


def _by_markup(head: bytes, tail: bytes, size: int) -> str | None:
    return "html" if head.lstrip().lower().startswith((b"<!doctype html", b"<html")) else None
