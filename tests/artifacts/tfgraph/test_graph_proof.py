"""What the proof of an IR says of a variable: found, found transposed, reduced to its first rows, or not provable."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parity.artifacts.tfgraph.proving import find
from parity.graphfile import Place

RNG = np.random.default_rng(2)
KERNEL, TABLE, BIAS = (RNG.normal(size=size).astype(np.float32) for size in ((3, 5), (7, 4), (5,)))


def places(folder: Path, **arrays: np.ndarray) -> list[Place]:
    """Constants in one file."""
    found, data = [], b""
    for name, array in arrays.items():
        found.append(Place(name, array.dtype.name, array.shape, folder / "x.bin", len(data)))
        data += np.ascontiguousarray(array).tobytes()
    (folder / "x.bin").write_bytes(data)
    return found


def test_a_variable_is_found_as_stored_or_transposed(tmp_path: Path) -> None:
    found = find({"kernel": KERNEL, "bias": BIAS}, places(tmp_path, a=KERNEL.T, b=BIAS[None]), half=False)
    kernel, bias = found.tensors
    assert (kernel.target, kernel.operation, kernel.target_shape) == ("a", "transpose", (5, 3))
    assert (bias.target, bias.operation) == ("b", "copy")
    assert not found.folded


def test_in_half_precision_too(tmp_path: Path) -> None:
    held = places(tmp_path, a=KERNEL.astype(np.float16))
    assert find({"kernel": KERNEL}, held, half=True).tensors[0].target_dtype == "float16"
    assert find({"kernel": KERNEL}, held, half=False).folded


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    found = find({"table": TABLE, "bias": BIAS}, places(tmp_path, a=TABLE[:3], b=BIAS * 2), half=False)
    assert not found.tensors
    reasons = {line.source: line.reason for line in found.folded}
    assert reasons["table"] == "folded: constant a holds its first 3 rows, the only ones this graph reads"
    assert "not provable by content" in reasons["bias"]


def test_variables_of_equal_content_are_named(tmp_path: Path) -> None:
    zeros = np.zeros(5, np.float32)
    found = find({"a": zeros, "b": zeros.copy(), "c": BIAS}, places(tmp_path, x=zeros, y=BIAS), half=False)
    assert found.equal == (("a", "b"),)
    assert len(found.tensors) == 3
