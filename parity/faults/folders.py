"""Copies of artifacts and checkpoints with a fault in them."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np

from parity.checkpoints import open_checkpoint, write_bundle
from parity.faults.values import Artifact, Layout, Source, Tensors
from parity.inputs.wordpiece import read_vocab
from parity.models import Source as Model
from parity.tensorfile import Array, TensorSpec, map_tensors, read_specs, write_tensors

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PREFIX = "bert_model.ckpt"


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
        names = [name for name in checkpoint.entries if _of_the_model(name, checkpoint.entries)]
        return {name: checkpoint.read(name) for name in names}


def _of_the_model(name: str, names: object) -> bool:
    assert hasattr(names, "__contains__")
    return name.startswith(("bert/", "cls/", "output_")) and name.rpartition("/")[0] not in names


def write_source(folder: Path, model: Model, tensors: Tensors, layout: Layout, fault: Source) -> Path:
    """Write a checkpoint's folder with the fault in it, and return what a user would name.

    It is a plain folder, no card's: its vocabulary is given a line for every row.
    """
    folder.mkdir(parents=True)
    held: dict[str, Array] = dict(tensors)
    if fault.edit is not None:
        fault.edit(held, layout)
    write_bundle(folder / PREFIX, _specs(held), held.values())
    assert model.config is not None
    assert model.vocab is not None
    raw = json.loads(model.config.read_text(encoding="utf-8"))
    raw |= {key: setting(layout) for key, setting in fault.config.items()}
    (folder / "bert_config.json").write_text(json.dumps(raw), encoding="utf-8")
    tokens = read_vocab(model.vocab).tokens
    lines = [*tokens, *(f"[spare{number}]" for number in range(layout.config.vocab_size - len(tokens)))]
    (folder / "vocab.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    named = fault.files(folder) if fault.files is not None else None
    return named or folder
