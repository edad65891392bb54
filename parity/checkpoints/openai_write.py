"""Writing OpenAI GPT in the format that its variables belong to: as published, or as training saves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from parity.checkpoints.flat_write import write_flat
from parity.checkpoints.joblib_write import NAME, write_joblib
from parity.checkpoints.openai import JOINED
from parity.tensorfile import Array, TensorSpec


def write_openai(prefix: Path, specs: Sequence[TensorSpec], arrays: Iterable[Array]) -> tuple[Path, ...]:
    """Write `params_shapes.json` at `prefix` and its chunks; where there is one table `model/we`, `best_params.jl`.

    Args:
        prefix: path of `params_shapes.json`; its folder must exist.
        specs: name, dtype (float32) and shape of each tensor, in any order.
        arrays: the tensors, one per spec and in the order of `specs`, taken one at a time.

    Returns:
        The files written; the first is what the checkpoint is opened by.

    Raises:
        ParityError: variables that are not a GPT's, or a disk that refuses.
    """
    if any(spec.name in JOINED for spec in specs):
        return write_joblib(prefix.with_name(NAME), specs, arrays)
    return write_flat(prefix, specs, arrays)
