"""Tensors on disk: one streaming safetensors writer that reads back, and one reader that maps without copying.

The format is eight bytes of header length (little endian), a JSON header, then the tensors' bytes
(https://github.com/huggingface/safetensors#format). The library's NumPy writer stores wrong bytes for
non-contiguous arrays, hence a writer of ours; the reader checks every size against the file before it maps.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from parity.errors import ParityError

Array: TypeAlias = NDArray[Any]

_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
DTYPES = frozenset(_CODES)
_NAMES = {code: name for name, code in _CODES.items()}
_MAX_HEADER = 100_000_000
_MAX_AXES, _MAX_SIZE = 32, 1 << 48


@dataclass(frozen=True)
class TensorSpec:
    """Name, NumPy dtype name (`bfloat16` included) and shape of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes the tensor takes on disk."""
        return math.prod(self.shape) * numpy_dtype(self.dtype).itemsize


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy dtype of that name; `bfloat16` by way of ml_dtypes, imported only when met."""
    if name == "bfloat16":
        import ml_dtypes

        return cast(np.dtype[Any], np.dtype(ml_dtypes.bfloat16))
    return np.dtype(name)


def write_tensors(
    path: Path,
    specs: Sequence[TensorSpec],
    arrays: Iterable[Array],
    *,
    metadata: Mapping[str, str] | None = None,
    read_back: bool = True,
    each: Callable[[TensorSpec, Array], None] | None = None,
) -> None:
    """Stream `arrays` (one per spec, in order) into `path`; the file appears whole or not at all.

    Args:
        path: the file to write; written beside under a temporary name, then renamed.
        specs: name, dtype and shape of each tensor, known before any data is read.
        arrays: the tensors, produced one at a time; any memory layout.
        metadata: string pairs for the header's `__metadata__`.
        read_back: compare the bytes on disk with those in memory, tensor by tensor.
        each: called with every spec and its C-ordered array (to hash, to count).

    Raises:
        ParityError: an array does not have its spec's dtype and shape, or the disk returned other bytes.
    """
    head = header_bytes(specs, metadata)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("w+b", buffering=0) as file:
            file.write(head)
            position = len(head)
            for spec, array in zip(specs, arrays, strict=True):
                if array.dtype.name != spec.dtype or array.shape != spec.shape:
                    raise ParityError(
                        f"tensor {spec.name} changed while being written",
                        where=path,
                        got=f"{array.dtype.name}{array.shape}",
                        expected=f"{spec.dtype}{spec.shape}",
                        remedy="report this as a bug",
                    )
                # A dtype's name says nothing of its byte order; the format is little endian.
                ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(spec.shape)
                _write_all(file.fileno(), ordered.reshape(-1).view(np.uint8).data)
                if each is not None:
                    each(spec, ordered)
                if read_back and not _same_on_disk(file.fileno(), position, ordered):
                    raise ParityError(
                        f"tensor {spec.name} reads back with other bytes than were written",
                        where=path,
                        remedy="check the disk and its free space",
                    )
                position += spec.nbytes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def header_bytes(specs: Sequence[TensorSpec], metadata: Mapping[str, str] | None = None) -> bytes:
    """Everything that `write_tensors` puts before the first tensor."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for spec in specs:
        header[spec.name] = {
            "dtype": _CODES[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [offset, offset + spec.nbytes],
        }
        offset += spec.nbytes
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data[: 1 << 26]) :]


def _same_on_disk(descriptor: int, position: int, array: Array, *, block: int = 1 << 20) -> bool:
    flat = array.reshape(-1).view(np.uint8)
    buffer = np.empty(min(block, max(flat.size, 1)), np.uint8)
    for start in range(0, flat.size, block):
        wanted = flat[start : start + block]
        got = os.preadv(descriptor, [buffer.data[: wanted.size]], position + start)
        if got != wanted.size or not _equal(buffer[:got], wanted):
            return False
    return True


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Byte for byte, eight at a time as far as they go."""
    whole = one.size & ~7
    words = one[:whole].view(np.uint64) == other[:whole].view(np.uint64)
    return bool(words.all()) and bool((one[whole:] == other[whole:]).all())


def read_specs(path: Path) -> tuple[dict[str, str], dict[str, tuple[TensorSpec, int]]]:
    """Metadata, and each tensor's spec with its absolute offset in the file.

    Raises:
        ParityError: the file is not safetensors, a size in it does not fit the file, or its tensors leave bytes over or
            share some.
    """
    length, header = _read_header(path)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _not_ours(path, "its metadata are no strings")
    tensors: dict[str, tuple[TensorSpec, int]] = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        label = f"tensor {name[:80]!r}"
        try:
            spec = TensorSpec(name, _NAMES[entry["dtype"]], _sizes(entry["shape"]))
            start, end = _sizes(entry["data_offsets"])
        except (KeyError, TypeError, ValueError) as error:
            raise _not_ours(path, f"the entry of {label} is malformed") from error
        # NumPy refuses sizes beyond its own arithmetic even where one of them is 0.
        if end - start != spec.nbytes or math.prod(size or 1 for size in spec.shape) > _MAX_SIZE:
            raise _not_ours(path, f"the place of {label} is not of its size")
        tensors[name] = (spec, length + start)
        spans.append((start, end, label))
    reached = 0
    for start, end, label in sorted(spans):
        if start != reached:
            raise _not_ours(path, f"{label} does not begin where the one before it ends")
        reached = end
    if length + reached != path.stat().st_size:
        raise _not_ours(path, "its tensors do not end where the file ends: it is cut off, or not as it was written")
    return metadata, tensors


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Where the tensors begin, and the JSON before them."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _MAX_HEADER):
                raise _not_ours(path, "its header length does not fit the file")
            header = json.loads(file.read(length), object_pairs_hook=_without_doubles)
    except OSError as error:
        raise ParityError(f"cannot be read: {error.strerror}", where=path, remedy="check the path") from error
    except (ValueError, RecursionError) as error:
        raise _not_ours(
            path, f"its header is not JSON that names every tensor once ({type(error).__name__})"
        ) from error
    if not isinstance(header, dict):
        raise _not_ours(path, "its header is not a JSON object")
    return 8 + length, header


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _sizes(values: Any) -> tuple[int, ...]:
    """Whole numbers that an array could have as sizes."""
    good = isinstance(values, list) and len(values) <= _MAX_AXES
    if not good or not all(type(value) is int and 0 <= value < _MAX_SIZE for value in values):
        raise ValueError("no list of sizes")
    return tuple(values)


def map_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, Array]:
    """Read-only views on the named tensors (all by default), backed by the file's pages.

    Raises:
        ParityError: the file is not safetensors, or lacks a name.
    """
    _, tensors = read_specs(path)
    chosen = list(tensors) if names is None else list(names)
    absent = [name for name in chosen if name not in tensors]
    if absent:
        raise ParityError(f"no tensor {', '.join(absent)}", where=path, expected=f"one of {', '.join(sorted(tensors))}")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    views: dict[str, Array] = {}
    for name in chosen:
        spec, offset = tensors[name]
        flat = np.frombuffer(mapped, np.uint8, count=spec.nbytes, offset=offset)
        views[name] = cast(Array, _aligned(flat, spec).reshape(spec.shape))
    return views


def _aligned(flat: NDArray[np.uint8], spec: TensorSpec) -> Array:
    dtype = numpy_dtype(spec.dtype)
    # A foreign file may start a tensor at any byte; only then is a copy made.
    source = flat if flat.ctypes.data % max(dtype.alignment, 1) == 0 else flat.copy()
    return cast(Array, source.view(dtype))


def _not_ours(path: Path, why: str) -> ParityError:
    return ParityError(f"not a readable safetensors file: {why}", where=path, remedy="write the file again")
