"""A directory's weights into a module: every parameter from the file, shared ones from any of their names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import ParityError, Problems
from parity.tensorfile import Array, map_tensors, numpy_dtype

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
_MAX_CONFIG = 1 << 20


def blank(module: nn.Module) -> None:
    """Fill a new module with NaN: what is forgotten when weights are loaded cannot pass for a number."""
    for parameter in module.parameters():
        nn.init.constant_(parameter, math.nan)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of sane size.

    Raises:
        ParityError: unreadable, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > _MAX_CONFIG:
            raise ParityError("too large for a config", where=path, got=f"{path.stat().st_size} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParityError(f"cannot read the config: {error.strerror}", where=path) from error
    except (ValueError, RecursionError) as error:
        raise ParityError(f"the config is not JSON: {error}", where=path) from error
    if not isinstance(value, dict):
        raise ParityError("the config is not a JSON object", where=path, got=type(value).__name__)
    return value


def to_numpy(tensor: torch.Tensor) -> Array:
    """A tensor as an array of the same dtype, bfloat16 included."""
    plain = tensor.detach().contiguous()
    if plain.dtype is torch.bfloat16:
        bits: Array = plain.view(torch.uint16).numpy()
        return bits.view(numpy_dtype("bfloat16"))
    array: Array = plain.numpy()
    return array


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, from `model.safetensors` or else `pytorch_model.bin`; nothing in either is executed.

    Raises:
        ParityError: neither is there, or not readable.
    """
    if (folder / SAFETENSORS).is_file():
        return {name: _tensor(array) for name, array in map_tensors(folder / SAFETENSORS).items()}
    path = folder / BIN
    if not path.is_file():
        raise ParityError("no weights here", where=folder, expected=f"{SAFETENSORS} or {BIN}", remedy="name another")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises what its zip, pickle and storage readers raise
        raise ParityError("not readable by PyTorch", where=path, got=type(error).__name__) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ParityError("no state dict", where=path, got=type(state).__name__)
    return state


def _tensor(array: Array) -> torch.Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.uint16).copy()).view(torch.bfloat16)
    # The file is mapped for reading only, and PyTorch has no such tensors.
    return torch.from_numpy(array.copy())


def fill(module: nn.Module, weights: Mapping[str, torch.Tensor], *, where: Path) -> None:
    """Copy every weight into the parameter of its name.

    Several names of one parameter may be given, all with the same values.

    Raises:
        ParityError: parameters without a weight, weights without a parameter, other shapes, or tied names that differ.
    """
    problems = Problems(f"the weights are not those of {type(module).__name__}", where=where)
    parameters = module.state_dict(keep_vars=True)
    filled: dict[int, str] = {}
    for name, weight in weights.items():
        own = parameters.get(name)
        if own is None:
            problems.add(f"unexpected {name}", got=list(weight.shape), remedy="convert again")
        elif own.shape != weight.shape:
            problems.add(f"{name} has another shape", got=list(weight.shape), expected=list(own.shape))
        elif id(own) in filled and not torch.equal(own.detach(), weight.to(own.dtype)):
            problems.add(f"{name} is not {filled[id(own)]}, with which it is tied", remedy="convert again")
        else:
            with torch.no_grad():
                own.copy_(weight)
            filled.setdefault(id(own), name)
    held = {id(parameters[name]) for name in weights if name in parameters}
    for name, own in parameters.items():
        if id(own) not in held:
            problems.add(f"missing {name}", expected=list(own.shape), remedy="convert again")
    problems.raise_if_any()
