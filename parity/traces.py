"""The one exchange format: what a runtime computed on one batch, and what it was fed.

A trace is a folder of `batch-NNN.safetensors`. Each file holds the taps under their bare names, every array that
was fed under `inputs/<name>`, and one JSON value `parity` in its metadata: format version, model, artifact and input
digests, backend, variant, precision claimed, run flags, versions, threads, machine, texts, taps that are not
available and why. Workers return traces, caches and goldens hold them, machines and years exchange them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec, map_tensors, read_specs, write_tensors

FORMAT = 1
INPUTS = "inputs/"
GIVEN = "given/"
"""Prefix, among what a reference is fed, of the values that stages shall hand on in place of their own."""


@dataclass(frozen=True)
class TraceBatch:
    """One batch of a trace. Arrays read from disk are read-only views on the file."""

    taps: Mapping[str, Array]
    inputs: Mapping[str, Array]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> Sequence[str] | None:
        """The texts behind the rows, where the batch has any."""
        texts: Sequence[str] | None = self.meta.get("texts")
        return texts

    @property
    def skipped(self) -> str | None:
        """Why this runtime declares that it cannot take this batch; None if it did."""
        reason: str | None = self.meta.get("skipped")
        return reason

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Taps this runtime declares that it cannot show, with the reason."""
        reasons: Mapping[str, str] = self.meta.get("unavailable", {})
        return reasons


def batch_path(folder: Path, number: int) -> Path:
    """Where batch `number` of a trace lies."""
    return folder / f"batch-{number:03d}.safetensors"


def batch_paths(folder: Path) -> list[Path]:
    """The files of a trace, in order.

    Raises:
        ParityError: the folder is missing or holds no batch.
    """
    paths = sorted(folder.glob("batch-*.safetensors"))
    if not paths:
        raise ParityError("no batch-*.safetensors here", where=folder, remedy="name a folder that `parity trace` wrote")
    return paths


def write_batch(path: Path, batch: TraceBatch) -> None:
    """Write one batch; the file appears whole or not at all."""
    arrays: dict[str, Array] = {**batch.taps, **{INPUTS + name: array for name, array in batch.inputs.items()}}
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in arrays.items()]
    meta = json.dumps({"format": FORMAT, **batch.meta}, ensure_ascii=False, default=str)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, specs, arrays.values(), metadata={"parity": meta}, read_back=False)


def read_batch(path: Path, taps: Sequence[str] | None = None) -> TraceBatch:
    """Map one batch (only the named taps, if any are named; inputs always).

    Raises:
        ParityError: not a trace, of another format version, or without a named tap.
    """
    meta = read_meta(path)
    _, tensors = read_specs(path)
    chosen = None if taps is None else [*taps, *(name for name in tensors if name.startswith(INPUTS))]
    arrays = map_tensors(path, chosen)
    return TraceBatch(
        taps={name: array for name, array in arrays.items() if not name.startswith(INPUTS)},
        inputs={name.removeprefix(INPUTS): array for name, array in arrays.items() if name.startswith(INPUTS)},
        meta=meta,
    )


def read_meta(path: Path) -> dict[str, Any]:
    """The JSON value `parity` of one batch.

    Raises:
        ParityError: the file has none, or one of another format version.
    """
    metadata, _ = read_specs(path)
    try:
        meta = json.loads(metadata["parity"])
        version = meta["format"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ParityError(
            "not a trace: no `parity` metadata", where=path, remedy="write it with `parity trace`"
        ) from error
    if version != FORMAT:
        raise ParityError(
            "trace of another format version", where=path, got=version, expected=FORMAT, remedy="trace again"
        )
    return dict(meta)


def exists(tap: str, inputs: Mapping[str, Array]) -> bool:
    """Is there such a value in a batch with these inputs? A second stream (`query.*`) only with a target mapping."""
    return "target_mapping" in inputs or not any(part.startswith("query.") for part in tap.split("/"))


def real_positions(inputs: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Which positions count, [B, T]: attention_mask == 1, or all of them where the batch has no mask."""
    mask = inputs.get("attention_mask")
    if mask is None:
        return np.ones(inputs["input_ids"].shape[:2], bool)
    real: NDArray[np.bool_] = np.asarray(mask) == 1
    return real
