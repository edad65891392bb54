"""The constants of an IR or ONNX file with their hashes, read without a framework.

`parity verify` finds every converted tensor among them by content, as stored or transposed: names of constants are a
runtime's own affair. One tensor is in memory at a time, and only a band of it while it is turned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.graphfile import Place, ir_places, onnx_file
from parity.tensorfile import Array

_BAND = 1 << 22


@dataclass(frozen=True)
class Constant:
    """One constant of a graph. Hashes are SHA-256 of its C-ordered little-endian bytes, in hexadecimal."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    sha256_transposed: str
    """With all axes reversed; the same as `sha256` for fewer than two axes."""


def ir_constants(xml: Path) -> Iterator[Constant]:
    """Constants of `openvino_model.xml` and the `.bin` beside it.

    Weights of an IR saved with fp16 compression have dtype float16: compare with the source cast to that.

    Raises:
        ParityError: not an IR, or one that does not fit its `.bin`.
    """
    return constants(ir_places(xml))


def onnx_constants(path: Path) -> Iterator[Constant]:
    """Initializers of an ONNX file, and of the data file beside it where it has one.

    Raises:
        ParityError: not an ONNX file, truncated, or pointing outside its folder.
    """
    return constants(onnx_file(path).places)


def sha256_transposed(array: Array) -> str:
    """Hash of the array's transpose, a band of its rows at a time."""
    if array.ndim < 2 or not array.size:
        return sha256(array)
    digest, turned = hashlib.sha256(), array.T
    rows = max(1, _BAND // max(1, turned[0].nbytes))
    for start in range(0, len(turned), rows):
        digest.update(_bytes(turned[start : start + rows]))
    return digest.hexdigest()


def sha256(array: Array) -> str:
    """Hash of the array's C-ordered bytes."""
    return hashlib.sha256(_bytes(array)).hexdigest()


def constants(places: Iterable[Place]) -> Iterator[Constant]:
    """What lies at these places, hashed."""
    for place in places:
        array = place.read()
        yield Constant(place.name, place.dtype, place.shape, sha256(array), sha256_transposed(array))


def _bytes(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
