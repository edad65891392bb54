"""The proof a conversion writes beside its artifact: `conversion.json`, every tensor by name, operation and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from parity.errors import ParityError
from parity.tensorfile import Array

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

    def write(self, folder: Path) -> None:
        """Write `conversion.json` into `folder`."""
        (folder / FILE).write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


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
            raise ParityError("proof of another format version", where=path, got=raw["format"], expected=FORMAT)
        known = {f.name: raw[f.name] for f in fields(Proof)}
        known["tensors"] = tuple(_item(TensorProof, entry) for entry in raw["tensors"])
        known["dropped"] = tuple(_item(Dropped, entry) for entry in raw["dropped"])
        known["tied"] = tuple(_item(Tied, entry) for entry in raw["tied"])
        known["assumptions"] = tuple(str(entry) for entry in raw["assumptions"])
        return Proof(**known)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParityError(f"the proof is damaged: {error!r}", where=path, remedy="convert again") from error


def _item(kind: type[_T], entry: Mapping[str, Any]) -> _T:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return kind(**values)


def sha256_array(array: Array) -> str:
    """SHA-256 of an array's bytes in C order."""
    ordered = np.ascontiguousarray(array)
    return hashlib.sha256(ordered.reshape(-1).view(np.uint8).data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
