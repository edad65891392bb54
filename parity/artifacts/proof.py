"""The proof a conversion writes beside its artifact: `conversion.json`, every tensor by name, operation and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Any, TypeVar

import numpy as np

from parity.errors import ParityError
from parity.tensorfile import DTYPES, Array

FORMAT = 1
FILE = "conversion.json"
_T = TypeVar("_T")


@dataclass(frozen=True)
class TensorProof:
    """One tensor's way from source to target. Hashes are SHA-256 over C-ordered little-endian bytes."""

    source: str
    target: str
    operation: str
    source_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    source_dtype: str
    target_dtype: str
    source_sha256: str
    target_sha256: str


@dataclass(frozen=True)
class Dropped:
    """A source tensor that is not in the artifact, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Tied:
    """A parameter of the target class that shares another's storage and so is not written."""

    target: str
    same_as: str


@dataclass(frozen=True)
class Proof:
    """Everything there is to say about a conversion. Holds no path, time or machine: the same inputs give the same."""

    to: str
    family: str
    head: str
    labels: int
    source_format: str
    config_file: str
    config: Mapping[str, Any]
    activation: str
    epsilon: float
    casing: Mapping[str, Any]
    assumptions: tuple[str, ...]
    tensors: tuple[TensorProof, ...]
    dropped: tuple[Dropped, ...]
    tied: tuple[Tied, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file of the artifact that holds no tensors."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What is particular to one kind of artifact."""
    parity: str = ""
    format: int = FORMAT

    def text(self) -> str:
        """What `conversion.json` holds: the proof, and last the SHA-256 of all before, which tells a changed proof."""
        body = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        return f'{body[:-2]},\n "seal": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'

    def write(self, folder: Path) -> None:
        """Write `conversion.json` into `folder`."""
        (folder / FILE).write_text(self.text(), encoding="utf-8")


def read_proof(folder: Path) -> Proof:
    """The proof that lies in an artifact's folder.

    Raises:
        ParityError: there is none, or it is not one this version understands.
    """
    path = folder / FILE
    remedy = "name a folder that `parity convert` wrote"
    if not path.is_file():
        raise ParityError("no proof here", where=path, remedy=remedy)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            got = raw["format"]
            raise ParityError("proof of another format version", where=path, got=got, expected=FORMAT, remedy=remedy)
        known = {f.name: raw[f.name] for f in fields(Proof)}
        for name, kind in {"tensors": TensorProof, "dropped": Dropped, "tied": Tied}.items():
            known[name] = tuple(_item(kind, entry) for entry in raw[name])
        known["assumptions"] = tuple(raw["assumptions"])
        found = Proof(**known)
        _check(found)
        return found
    except OSError as error:
        raise ParityError(f"cannot be read: {error.strerror}", where=path, remedy="check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParityError(f"the proof is damaged: {error!r:.200}", where=path, remedy="convert again") from error


_KINDS: Mapping[str, type | UnionType] = {
    **dict.fromkeys(("config", "casing", "files", "notes"), dict),
    **dict.fromkeys(("assumptions", "tensors", "dropped", "tied", "source_shape", "target_shape"), tuple),
    **dict.fromkeys(("labels", "format"), int),
    "epsilon": int | float,
}
_ITEMS = {"assumptions": str, "source_shape": int, "target_shape": int}


def _check(part: Any) -> None:
    """Every field is of its kind, and no file lies outside the folder."""
    for f in fields(part):
        value, kind = getattr(part, f.name), _KINDS.get(f.name, str)
        if not isinstance(value, kind):
            raise TypeError(f"{f.name} is {value!r:.60}")
        if isinstance(value, tuple) and f.name in _ITEMS and not all(type(item) is _ITEMS[f.name] for item in value):
            raise TypeError(f"{f.name} is {value!r:.60}")
        if f.name.endswith("_dtype") and value not in DTYPES:
            raise ValueError(f"{f.name} is {value!r:.60}")
    for name, digest in getattr(part, "files", {}).items():
        place = PurePosixPath(name)
        if not isinstance(digest, str) or place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{name!r:.60} is no file of this folder")


def _item(kind: type[_T], entry: Mapping[str, Any]) -> _T:
    item = kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})
    _check(item)
    return item


def sha256_array(array: Array) -> str:
    """SHA-256 of an array's bytes in C order."""
    ordered = np.ascontiguousarray(array)
    return hashlib.sha256(ordered.reshape(-1).view(np.uint8).data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
