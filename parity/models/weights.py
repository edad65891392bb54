"""Numbers for a stand-in: drawn per variable from its own name, so that order, scale and threads change nothing."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from parity.families.values import Role, Variable
from parity.tensorfile import Array, TensorSpec

SPREAD: Mapping[Role, tuple[float, float]] = {
    "kernel": (0.0, 0.04),
    "embedding": (0.0, 0.05),
    "gamma": (1.0, 0.1),
    "beta": (0.0, 0.1),
    "bias": (0.0, 0.1),
}
"""Mean and standard deviation by role: wide enough, unlike a fresh initialisation, that attention and GELU matter."""

_SLOT = (0.0, 1e-3)
_STEP = TensorSpec("global_step", "int64", ())
_BLOCK = 1 << 21
_THREADS = 2


def specs(variables: Iterable[Variable], slots: Iterable[str], *, ordered: bool = False) -> list[TensorSpec]:
    """What the checkpoint holds, sorted by name: the variables, `slots` beside each, and global_step. float32.

    `ordered`: a container without names, in which the variables alone stand in their own order.
    """
    if ordered:
        return [TensorSpec(variable.name, "float32", variable.shape) for variable in variables]
    ends = ("", *(f"/{slot}" for slot in slots))
    tensors = [TensorSpec(variable.name + end, "float32", variable.shape) for variable in variables for end in ends]
    return sorted([*tensors, _STEP], key=lambda spec: spec.name)


def draw(tensors: Iterable[TensorSpec], variables: Iterable[Variable], *, seed: str) -> Iterator[Array]:
    """The tensors' values one at a time, in the order asked for.

    Each is normal with its role's mean and deviation (slots: 0 and 0.001), from a generator seeded with `seed`, the
    tensor's name and a block number. The same NumPy gives the same bytes; another release of NumPy may not.
    """
    spread = {variable.name: SPREAD[variable.role] for variable in variables}
    with ThreadPoolExecutor(_THREADS) as pool:
        for spec in tensors:
            if spec == _STEP:
                yield np.array(1_000_000, np.int64)
                continue
            mean, deviation = spread.get(spec.name, _SLOT)
            flat = np.empty(math.prod(spec.shape), np.float32)
            blocks = [flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK)]
            fill = partial(_fill, key=f"{seed}/{spec.name}", mean=mean, deviation=deviation)
            list(pool.map(fill, range(len(blocks)), blocks))
            yield flat.reshape(spec.shape)


def _fill(index: int, block: NDArray[np.float32], *, key: str, mean: float, deviation: float) -> None:
    digest = hashlib.sha256(f"{key}/{index}".encode()).digest()
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(int.from_bytes(digest))))
    generator.standard_normal(out=block, dtype=np.float32)
    block *= np.float32(deviation)
    block += np.float32(mean)
