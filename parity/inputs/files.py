"""INPUTS files: one batch as `.npz` or `.safetensors`, and folders of them or of traces.

Arrays stand under their bare names (`parity.inputs.batch`), texts as a Unicode array `texts` in `.npz` and as a JSON
list under `texts` in the metadata of `.safetensors`. Nothing a file says of its sizes is believed before it is checked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import ParityError, Problems
from parity.inputs.batch import Batch
from parity.inputs.check import check_batch
from parity.inputs.npz import read_npz
from parity.tensorfile import TensorSpec, map_tensors, read_specs, write_tensors
from parity.traces import batch_paths, read_batch

__all__ = ["check_batch", "read_inputs", "write_inputs"]

_PLAIN = re.compile(r"\w[\w.-]{0,99}")
_REMEDY = "give an .npz or .safetensors file with input_ids, or a folder of them"


def read_inputs(path: Path, **limits: Any) -> tuple[Batch, ...]:
    """Read, check and complete a user's batches.

    Args:
        path: an `.npz` or `.safetensors` file (one batch of a trace is one, too), or a folder of such files; a folder
            with `batch-*.safetensors` gives those and no others.
        limits: of the model, as `check_batch` takes them (`parity.inputs.extras.limits_of`).

    Returns:
        The batches in the order of their file names, as `check_batch` returns them.

    Raises:
        ParityError: no such file, not readable as INPUTS, or not fit for the model; all files' problems at once.
    """
    files = _files(path)
    problems = Problems("these inputs cannot be used", where=path)
    batches: dict[str, Batch] = {}
    for file in files:
        try:
            batch = check_batch(_read(file), **limits, where=file)
        except ParityError as error:
            problems.extend([error])
            continue
        if batch.name in batches:
            problems.add(f"two batches are named {batch.name}", got=file.name, remedy="rename a file")
        batches[batch.name] = batch
    problems.raise_if_any()
    return tuple(batches.values())


def write_inputs(path: Path, batch: Batch) -> None:
    """Write one batch as `.npz` or `.safetensors`, after the file's suffix; the file appears whole or not at all.

    Raises:
        ParityError: another suffix.
    """
    if path.suffix == ".safetensors":
        specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in batch.arrays.items()]
        known = {"name": batch.name, "kind": batch.kind, "shown": json.dumps(batch.shown, ensure_ascii=False)}
        texts = {} if batch.texts is None else {"texts": json.dumps(batch.texts, ensure_ascii=False)}
        write_tensors(path, specs, batch.arrays.values(), metadata={**known, **texts})
    elif path.suffix == ".npz":
        arrays = dict(batch.arrays) | ({} if batch.texts is None else {"texts": np.array(batch.texts, np.str_)})
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    else:
        raise ParityError("inputs of an unknown kind", where=path, expected=" or ".join(_READERS))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        if any(path.glob("batch-*.safetensors")):
            return batch_paths(path)
        found = sorted(file for file in path.iterdir() if file.suffix in _READERS and not file.name.startswith("."))
        if not found:
            raise ParityError("no inputs in this folder", where=path, remedy=_REMEDY)
        return found
    if not path.is_file():
        raise ParityError("no such inputs", where=path, remedy=_REMEDY)
    return [path]


def _read(path: Path) -> Batch:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise ParityError("inputs of an unknown kind", where=path, expected=" or ".join(_READERS), remedy=_REMEDY)
    try:
        return reader(path)
    except OSError as error:
        raise ParityError(f"cannot be read: {error.strerror or error}", where=path, remedy="check the path") from error


def _read_npz(path: Path) -> Batch:
    arrays = read_npz(path)
    texts = arrays.pop("texts", None)
    if texts is None:
        return Batch(path.stem, arrays, None)
    if texts.dtype.kind != "U" or texts.ndim != 1:
        raise ParityError(
            "texts is no list of strings",
            where=path,
            got=f"{texts.dtype}{texts.shape}",
            expected="a Unicode array of one string a row",
            remedy="write numpy.array(list_of_strings)",
        )
    return Batch(path.stem, arrays, tuple(texts.tolist()))


def _read_safetensors(path: Path) -> Batch:
    metadata, _ = read_specs(path)
    if "parity" in metadata:
        trace = read_batch(path, taps=[])
        return _described(path, trace.inputs, trace.meta)
    lists: dict[str, object] = {key: _parsed(path, key, metadata[key]) for key in ("texts", "shown") if key in metadata}
    return _described(path, map_tensors(path), {**metadata, **lists})


def _described(path: Path, arrays: Mapping[str, Any], values: Mapping[str, object]) -> Batch:
    name = str(values.get("name", ""))
    return Batch(
        # A name becomes part of file names and reports; one that is not plain gives way to the file's own.
        name=name if _PLAIN.fullmatch(name) else path.stem,
        arrays=arrays,
        texts=_strings(path, "texts", values.get("texts")),
        shown=_strings(path, "shown", values.get("shown")) or (),
        kind=str(values.get("kind", "given")),
    )


def _parsed(path: Path, key: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_strings(path, key) from error


def _strings(path: Path, key: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _not_strings(path, key)
    return tuple(value)


def _not_strings(path: Path, key: str) -> ParityError:
    return ParityError(f"metadata {key} is no JSON list of strings", where=path, remedy="write one string a row")


_READERS: Mapping[str, Callable[[Path], Batch]] = {".npz": _read_npz, ".safetensors": _read_safetensors}
