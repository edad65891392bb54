"""Copies of artifacts and checkpoints with a fault in them."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np

from parity.checkpoints import WRITERS, open_checkpoint
from parity.families import family
from parity.faults.values import Artifact, Layout, Source, Tensors
from parity.inputs.wordpiece import read_vocab
from parity.models import Source as Model
from parity.tensorfile import Array, TensorSpec, map_tensors, read_specs, write_tensors

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def spoil_artifact(original: Path, folder: Path, fault: Artifact, layout: Layout, *, size: float = 1.0) -> float:
    """Copy a Hugging Face directory into `folder` with the fault in it.

    Args:
        original: the sound one.
        folder: to make.
        fault: what to do.
        layout: of the model.
        size: t of W + t (W_fault - W), computed in float64; the same for numbers of the config.

    Returns:
        rms of what changed over the rms of what was there, over all tensors that changed, or the relative change of a
        number of the config; NaN where something is not a matter of size.
    """
    shutil.copytree(original, folder)
    before = map_tensors(original / WEIGHTS)
    after: Tensors = dict(before)
    if fault.edit is not None:
        fault.edit(after, layout)
    squares, total = 0.0, 0.0
    for name in after.keys() & before.keys():
        was, now = before[name], after[name]
        if now is was or now.shape != was.shape:
            continue
        if size != 1.0:
            now = after[name] = (was + size * (now.astype(np.float64) - was)).astype(was.dtype)
        squares += float(np.square(now.astype(np.float64) - was).sum())
        total += float(np.square(was, dtype=np.float64).sum())
    if after.keys() != before.keys() or squares > 0 or fault.edit is not None:
        _write_weights(folder / WEIGHTS, original / WEIGHTS, after)
    change = math.sqrt(squares / total) if total else math.nan
    if fault.config:
        config = json.loads((original / CONFIG).read_text(encoding="utf-8"))
        for key, setting in fault.config.items():
            value, usual = setting(layout), config.get(key)
            if isinstance(value, float) and isinstance(usual, float):
                value = usual + size * (value - usual)
                change = abs(value - usual)
            config[key] = value
        (folder / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
    if fault.files is not None:
        fault.files(folder)
    return change


def _write_weights(path: Path, original: Path, tensors: Tensors) -> None:
    metadata, _ = read_specs(original)
    write_tensors(path, _specs(tensors), tensors.values(), metadata=metadata, read_back=False)


def _specs(tensors: Tensors) -> list[TensorSpec]:
    return [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]


def read_model(model: Model) -> Tensors:
    """The model's variables, without what training leaves beside them."""
    with open_checkpoint(model.checkpoint) as checkpoint:
        variables, _ = family(model.family).known(checkpoint.entries)
        return {name: checkpoint.read(name) for name in checkpoint.entries if name in variables}


def write_source(folder: Path, model: Model, tensors: Tensors, layout: Layout, fault: Source) -> Path:
    """Write a checkpoint's folder with the fault in it, and return what a user would name.

    It is a plain folder, no card's, under the names that its family's sources have.
    """
    folder.mkdir(parents=True)
    architecture = family(model.family)
    held: dict[str, Array] = dict(tensors)
    if fault.edit is not None:
        fault.edit(held, layout)
    WRITERS[architecture.container](folder / architecture.prefix, _specs(held), held.values())
    if model.config is not None:
        raw = json.loads(model.config.read_text(encoding="utf-8"))
        raw |= {key: setting(layout) for key, setting in fault.config.items()}
        (folder / architecture.config_names[0]).write_text(json.dumps(raw), encoding="utf-8")
    assert model.vocab is not None
    _write_vocabulary(folder, model.vocab, architecture.vocabulary_names, layout)
    named = fault.files(folder) if fault.files is not None else None
    return named or folder


def _write_vocabulary(folder: Path, vocab: Path, names: tuple[tuple[str, ...], ...], layout: Layout) -> None:
    """The vocabulary's files; word pieces are given a line for every row of the table."""
    if vocab.name == "vocab.txt" and names[0] == ("vocab.txt",):
        tokens = read_vocab(vocab).tokens
        lines = [*tokens, *(f"[spare{number}]" for number in range(layout.config.vocab_size - len(tokens)))]
        (folder / vocab.name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        return
    together = next(one for one in names if one[0] == vocab.name)
    for name in together:
        shutil.copyfile(vocab.with_name(name), folder / name)
