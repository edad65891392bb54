"""A golden as a case: what was fed and what came out, under the public names of taps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parity.artifacts import Choices
from parity.tensorfile import Array


@dataclass(frozen=True)
class Run:
    """One call of the original: inputs, the values it gave, and flags that were set for it alone.

    Vocabulary-sized values are those of all positions unless `logit_positions` are among the inputs.
    """

    name: str
    inputs: Mapping[str, Array]
    taps: Mapping[str, Array]
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One checkpoint and what was computed on it."""

    name: str
    family: str
    checkpoint: Path
    choices: Choices
    runs: tuple[Run, ...]


def turned(array: Array) -> Array:
    """Time-major as in the original to batch-major."""
    return np.ascontiguousarray(np.swapaxes(array, 0, 1))


def listed(arrays: Mapping[str, Array], prefix: str) -> list[Array]:
    """The arrays called `prefix` 0, 1, 2, ..."""
    count = next(k for k in range(len(arrays) + 1) if f"{prefix}{k}" not in arrays)
    return [arrays[f"{prefix}{k}"] for k in range(count)]


def layers(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """What each layer put out in the call of that prefix."""
    return {f"layer.{k}": array for k, array in enumerate(listed(arrays, f"{prefix}layer_"))}
