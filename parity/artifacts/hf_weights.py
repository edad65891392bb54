"""The tensors of a Hugging Face directory, in whichever of its four layouts: one file or shards, safetensors or `.bin`.

A `.bin` is a pickle: PyTorch reads it with weights only, which executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from parity.errors import MissingRuntime, ParityError, Problems
from parity.tensorfile import Array, TensorSpec, map_tensors, read_specs

LAYOUTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""In the order transformers prefers them."""
_INDEX = ".index.json"
_MOST_INDEX = 1 << 26
_REMEDY = "save the model again with save_pretrained"


@dataclass(frozen=True)
class HfWeights:
    """Names, shapes and dtypes of all tensors, and how to read one."""

    path: Path
    """The file itself, or the index of its shards."""
    files: tuple[Path, ...]
    specs: Mapping[str, TensorSpec]
    read: Callable[[str], Array]
    """A view where the file allows one."""


def weights_file(folder: Path) -> Path | None:
    """The file that tells which tensors a directory holds; None if it has none."""
    return next((folder / name for name in LAYOUTS if (folder / name).is_file()), None)


def open_weights(folder: Path) -> HfWeights:
    """Look at a directory's tensors; none is read yet.

    Raises:
        ParityError: there are none, or a file is damaged, missing or of another kind.
        MissingRuntime: a `.bin` without PyTorch.
    """
    path = weights_file(folder)
    if path is None:
        raise ParityError("no weights here", where=folder, expected=f"one of {', '.join(LAYOUTS)}", remedy=_REMEDY)
    placed = _shards(path) if path.name.endswith(_INDEX) else None
    files = tuple(dict.fromkeys(placed.values())) if placed is not None else (path,)
    binary = ".bin" in path.name
    specs: dict[str, TensorSpec] = {}
    for file in files:
        held = _bin_specs(file) if binary else {name: spec for name, (spec, _) in read_specs(file)[1].items()}
        specs |= {name: spec for name, spec in held.items() if placed is None or placed.get(name) == file}
    lost = sorted((placed or {}).keys() - specs.keys())
    if lost:
        raise ParityError(f"no shard holds {lost[0]}", where=path, got=f"{len(lost)} such tensors", remedy=_REMEDY)
    open_file = cache(_open_bin if binary else map_tensors)

    def read(name: str) -> Array:
        value: Any = open_file(placed[name] if placed is not None else path)[name]
        return _array(value) if binary else value

    return HfWeights(path, files, specs, read)


def _shards(index: Path) -> dict[str, Path]:
    """Which file holds each tensor; only ever a plain name beside the index."""
    problems = Problems("not an index of shards", where=index)
    try:
        size = index.stat().st_size
        placed: Any = json.loads(index.read_text(encoding="utf-8"))["weight_map"] if size <= _MOST_INDEX else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParityError("not an index of shards", where=index, got=error, remedy=_REMEDY) from error
    if not isinstance(placed, dict) or not placed or not all(isinstance(name, str) for name in placed.values()):
        raise ParityError("not an index of shards", where=index, expected="weight_map: tensor to file", remedy=_REMEDY)
    for name in sorted(set(placed.values())):
        if Path(name).name != name or not (index.parent / name).is_file():
            problems.add(f"no shard {name} beside it", remedy="copy all files of the directory")
    problems.raise_if_any()
    return {tensor: index.parent / name for tensor, name in placed.items()}


def _open_bin(path: Path) -> Mapping[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise MissingRuntime("a .bin is read by PyTorch itself", remedy='pip install "parity[torch]"') from error
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        # Files from before PyTorch 1.6 cannot be mapped; whatever else is wrong shows again.
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # the unpickler raises whatever the file provokes
            raise ParityError(
                "not readable by PyTorch with weights only", where=path, got=type(error).__name__
            ) from error
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise ParityError("not a state dict: it holds more than tensors", where=path, remedy=_REMEDY)
    return state


def _bin_specs(path: Path) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(name, str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        for name, tensor in _open_bin(path).items()
    }


def _array(tensor: Any) -> Array:
    from parity.torch.weights import to_numpy

    return to_numpy(tensor)
