"""From whatever path a user gives to the prefix of a V2 checkpoint, or to a message that says what is there instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from parity.checkpoints.sniff import refusal, sniff, unreadable
from parity.errors import ParityError

INDEX = ".index"
_SUFFIX = re.compile(r"\.(?:index|meta|data-\d{5,}-of-\d{5,})\Z")
_V1_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_WEIGHTS = {"tensorflow-v1", "hdf5", "pytorch", "npz", "npy", "safetensors", "gguf", "zip", "tar", "gzip", "git-lfs"}
_LOOKED_AT = 100
_STATE = "checkpoint"
_STATE_LIMIT = 1 << 20
_STATE_LINE = re.compile(rb'^model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)")


def index_path(prefix: Path) -> Path:
    """The index file of a checkpoint."""
    return prefix.with_name(prefix.name + INDEX)


def shard_path(prefix: Path, shard: int, shards: int) -> Path:
    """Data file number `shard` of `shards`."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


def locate(path: Path) -> Path:
    """The prefix meant by a folder, prefix, `.index`, `.data-…`, `.meta` or `checkpoint` file.

    Raises:
        ParityError: there is no such checkpoint, several are meant, or it is something else; the message says which.
    """
    try:
        return _locate(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _locate(path: Path) -> Path:
    if path.name and index_path(path).is_file():
        return path
    if path.is_dir():
        return _in_folder(path)
    suffix = _SUFFIX.search(path.name)
    prefix = path.with_name(path.name[: suffix.start()]) if suffix and suffix.start() else None
    if prefix is not None and index_path(prefix).is_file():
        return prefix
    if path.exists():
        if path.name == _STATE and sniff(path) in ("checkpoint-state", "unknown"):
            return _named(path.parent, path, _prefixes(path.parent))
        if prefix is None or path.name.endswith(INDEX):
            raise refusal(path)
    raise _missing(path, prefix or path)


def _in_folder(folder: Path) -> Path:
    found = _prefixes(folder)
    if len(found) == 1:
        return next(iter(found.values()))
    state = folder / _STATE
    if found and state.is_file():
        return _named(folder, state, found)
    if found:
        raise ParityError("holds several checkpoints", where=folder, got=_listed(found), remedy="name one of them")
    saved_model = folder / "variables" / "variables"
    below = [saved_model] if index_path(saved_model).is_file() else []
    below = below or [sub for sub in sorted(folder.iterdir()) if sub.is_dir() and _prefixes(sub)]
    if below:
        raise ParityError("holds no checkpoint itself", where=folder, remedy=f"give {below[0]}")
    held = sorted(entry.name for entry in folder.iterdir())
    for name in held[:_LOOKED_AT]:
        if (folder / name).is_file() and sniff(folder / name) in _WEIGHTS:
            raise refusal(folder / name)
    raise ParityError(
        "holds no TensorFlow V2 checkpoint (no .index file)",
        where=folder,
        got=", ".join(held[:8]) + (f" and {len(held) - 8} more" if len(held) > 8 else "")
        if held
        else "an empty folder",
        remedy="give the folder with the .index and .data files, or the file itself",
    )


def _prefixes(folder: Path) -> dict[str, Path]:
    files = (file for file in folder.glob(f"*{INDEX}") if not file.name.startswith(".") and file.is_file())
    names = sorted(file.name.removesuffix(INDEX) for file in files)
    return {name: folder / name for name in names}


def _named(folder: Path, state: Path, found: dict[str, Path]) -> Path:
    """The checkpoint that the text file names: only ever one in the folder, whatever path it was written under."""
    with state.open("rb") as file:
        line = _STATE_LINE.search(file.read(_STATE_LIMIT))
    named = _unescaped(line[1]).decode(errors="replace") if line else ""
    last = re.split(r"[/\\]", named)[-1]
    if last in found:
        return found[last]
    raise ParityError(
        "names no checkpoint of its folder",
        where=state,
        got=repr(named),
        expected=f"one of {_listed(found)}" if found else "a name with an .index file beside it",
        remedy="name the checkpoint itself",
    )


def _unescaped(text: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        return bytes([int(found[1], 8) & 0xFF]) if found[1].isdigit() else found[1]

    return _ESCAPE.sub(one, text)


def _missing(path: Path, prefix: Path) -> ParityError:
    if path.exists():
        what, remedy = "its index file is missing", "copy it from the checkpoint's source, too"
    else:
        what, remedy = "there is no such checkpoint", "check the path"
    if path.parent.is_dir():
        sharded = (
            file for file in sorted(path.parent.iterdir()) if _V1_SHARD.fullmatch(file.name.removeprefix(path.name))
        )
        for file in sharded:
            return refusal(file)
        near = difflib.get_close_matches(prefix.name, _prefixes(path.parent), n=3, cutoff=0.5)
        remedy += f"; there is {_listed(near)} beside it" if near else ""
    return ParityError(what, where=path, expected=str(index_path(prefix)), remedy=remedy)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
