"""Graphs without a framework's exporter: one text per architecture, drawn by one builder per file format.

`torch.onnx` needs 20 s and 3 GB for a BERT-base, stores a tied vocabulary twice and names inner values as it likes;
a graph that is drawn op by op takes as long as copying its weights, and every inner value carries the name of its
tap. The text (`graph_bert.py`, ...) says what is computed, a `Builder` (`onnx_nodes.py`, `openvino_nodes.py`) in which
operators. A text shares nothing with the references or the weight tables: a fault there must not reach both sides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from parity.artifacts.graph_builder import Builder
from parity.errors import ParityError
from parity.tensorfile import Array, numpy_dtype, read_specs

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""Inputs of a graph with masks and segments, in this order: int64 [batch, sequence], both axes free."""


class Weights:
    """The weights of a Hugging Face folder as float32 arrays, mapped from disk."""

    def __init__(self, arrays: Mapping[str, Array], where: Path) -> None:
        self._arrays, self.where = arrays, where

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one weight.

        Raises:
            ParityError: the folder lacks it, or it holds no floating point numbers.
        """
        return self._array(name).shape

    def read(self, name: str) -> Array:
        """One weight, float32, C-ordered and aligned; a view on the file where it is stored so.

        Raises:
            ParityError: the folder lacks it, or it holds no floating point numbers.
        """
        return np.require(self._array(name), np.float32, ["C", "A"])

    def check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """Check one weight against the config.

        Raises:
            ParityError: it is missing, or has another shape.
        """
        if self.shape(name) != shape:
            raise ParityError(
                f"weight {name} does not fit config.json",
                where=self.where,
                got=list(self.shape(name)),
                expected=list(shape),
                remedy="convert the checkpoint again",
            )

    def one_of(self, name: str, twin: str, *, tied: bool = True) -> str:
        """Which of two names to draw: the first, unless `twin` is there with other numbers.

        save_pretrained leaves tied copies out, torch.save keeps them; a graph stores them once. Where the config says
        that they are not `tied`, `twin` has to be there.

        Raises:
            ParityError: it is not.
        """
        if not tied:
            self.shape(twin)
        same = twin not in self or (name in self and np.array_equal(self._arrays[name], self._arrays[twin]))
        return name if same else twin

    def _array(self, name: str) -> Array:
        if name not in self:
            raise ParityError(f"weight {name} is missing", where=self.where, remedy="convert the checkpoint again")
        array = self._arrays[name]
        if not (np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16"):
            raise ParityError(f"weight {name} holds no floats", where=self.where, got=array.dtype.name)
        return array


@dataclass(frozen=True)
class Source:
    """A Hugging Face folder: its class, its config as read, and its weights."""

    folder: Path
    target_class: str
    config: Mapping[str, Any]
    weights: Weights


Text: TypeAlias = Callable[[Source, Builder], None]


_WITHOUT = {
    "XLNetForQuestionAnswering": "XLNetForQuestionAnsweringSimple: ends follow from a beam search over starts (topk)"
}
"""Classes known to have no graph, with the one of the same task that has, and why."""


def read_source(folder: Path) -> Source:
    """Open a folder that `parity convert --to pytorch` (or `save_pretrained`) wrote.

    Raises:
        ParityError: no readable config.json, or no weights beside it.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        (target_class,) = config["architectures"]
    except FileNotFoundError as error:
        raise ParityError("no config.json", where=folder, remedy="name a Hugging Face folder") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParityError("no config.json with one class in `architectures`", where=path, got=error) from error
    return Source(folder, str(target_class), config, Weights(_arrays(folder), folder))


def draw(source: Source, builder: Builder, texts: Mapping[str, Text]) -> None:
    """Draw the graph of the class that the folder names.

    Args:
        source: the folder.
        builder: draws into its own format.
        texts: what each class computes.

    Raises:
        ParityError: no text for this class, a config that it does not cover, weights missing or misshapen.
    """
    if source.target_class not in texts:
        raise ParityError(
            "no graph for this class",
            where=source.folder,
            got=source.target_class,
            expected=_WITHOUT.get(source.target_class, f"one of {', '.join(texts)}"),
            remedy="choose another --head (none draws the model alone), or --to pytorch",
        )
    texts[source.target_class](source, builder)


def _mapped(path: Path) -> Mapping[str, Array]:
    # Copy-on-write pages: OpenVINO shares only memory that it may write to, which it never does.
    whole = np.memmap(path, np.uint8, mode="c")
    views: dict[str, Array] = {}
    for name, (spec, start) in read_specs(path)[1].items():
        views[name] = whole[start : start + spec.nbytes].view(numpy_dtype(spec.dtype)).reshape(spec.shape)
    return views


def _arrays(folder: Path) -> Mapping[str, Array]:
    if (folder / "model.safetensors").is_file():
        return _mapped(folder / "model.safetensors")
    path = folder / "pytorch_model.bin"
    if not path.is_file():
        raise ParityError("neither model.safetensors nor pytorch_model.bin", where=folder, remedy="convert again")
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # the unpickler raises whatever the file provokes
        raise ParityError("not a readable PyTorch file", where=path, got=type(error).__name__) from error
    return cast("Mapping[str, Array]", {name: tensor.float().numpy() for name, tensor in state.items()})
