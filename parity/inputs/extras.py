"""What some architectures are fed beside ids: memory, two streams; and masks that they cannot mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.errors import Problems
from parity.families.base import Family
from parity.families.values import Config
from parity.tensorfile import Array

_FLOATS = ("float32", "float64", "float16")
_NUMBERS = (*_FLOATS, "int32", "int64", "bool")


def limits_of(family: Family, config: Config) -> dict[str, Any]:
    """What `check_batch` has to know of a model, as its options."""
    return {
        "vocab_size": config.vocab_size,
        "positions": config.positions if family.positioned else 1 << 30,
        "token_types": config.token_types,
        "feeds": family.feeds,
        "states": states_of(family, config, rows=1, length=1),
    }


def states_of(family: Family, config: Config, *, rows: int, length: int) -> dict[str, tuple[int, ...]]:
    """Shapes of every state that a model takes, by name, for so many rows and positions of memory."""
    if family.feeds.empty is None:
        return {}
    shape = family.feeds.empty(config, rows, length)
    return {template.format(k=k): shape for k in range(config.layers) for template in family.feeds.states}


def check_states(
    arrays: Mapping[str, Array], shape: tuple[int, int], states: Mapping[str, tuple[int, ...]], problems: Problems
) -> dict[str, Array]:
    """The states among the arrays, all of them or none.

    Args:
        arrays: as given.
        shape: rows and length of the batch.
        states: shape of each for one row and a length of 1; the length is the last axis but one.
        problems: takes what is wrong.
    """
    found = {name: arrays[name] for name in states if name in arrays}
    if found and len(found) != len(states):
        lacking = next(name for name in states if name not in found)
        problems.add(f"no array {lacking} beside {next(iter(found))}", remedy="give the memory of every layer, or none")
    lengths = {array.shape[-2] for array in found.values() if array.ndim > 1}
    if len(lengths) > 1:
        problems.add("memories of different lengths", got=sorted(lengths), expected="one length")
    for name, array in found.items():
        wanted = (shape[0], *states[name][1:-2], array.shape[-2] if array.ndim > 1 else 0, states[name][-1])
        if array.dtype.name not in _FLOATS:
            problems.add(f"{name} has the wrong dtype", got=array.dtype.name, expected="float32", remedy="convert it")
        elif array.shape != wanted:
            problems.add(f"{name} has the wrong shape", got=array.shape, expected=wanted, remedy="batch-major")
        elif not np.isfinite(array).all():
            problems.add(f"{name} holds values that are NaN or infinite", remedy="give finite memory")
    return found


def check_streams(arrays: Mapping[str, Array], shape: tuple[int, int], problems: Problems) -> dict[str, Array]:
    """XLNet's `perm_mask` [B,T,T] (1 = may not look) and `target_mapping` [B,Q,T] (one 1 a row; none: padding)."""
    rows, length = shape
    found = {name: arrays[name] for name in ("perm_mask", "target_mapping") if name in arrays}
    for name, array in found.items():
        queries = array.shape[1] if name == "target_mapping" and array.ndim == 3 else length
        if array.dtype.name not in _NUMBERS:
            problems.add(f"{name} has the wrong dtype", got=array.dtype.name, expected="float32", remedy="convert it")
        elif array.shape != (rows, queries, length) or not queries:
            problems.add(f"{name} has the wrong shape", got=array.shape, expected=(rows, queries or "Q", length))
        elif not np.isin(array, (0, 1)).all():
            problems.add(f"{name} holds other numbers than 0 and 1", remedy="write 0 and 1")
        elif name == "target_mapping" and (array.sum(axis=-1) > 1).any():
            problems.add("target_mapping has a row with several targets", remedy="write one 1 in a row")
    if "perm_mask" in found and "target_mapping" not in found:
        problems.add("perm_mask without target_mapping", remedy="give both, or neither")
    return found


def unmeant(mask: Array) -> str | None:
    """Why a mask cannot be meant by an architecture without one; None for padding on the right, and for none."""
    real = np.asarray(mask) == 1
    if (np.diff(real.astype(np.int8), axis=1) > 0).any():
        return "the original has no attention mask: padding before real positions, or among them, would be attended to"
    return None
