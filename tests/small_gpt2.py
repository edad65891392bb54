"""A small GPT-2 as its authors' tools leave it, its names written by hand from the published layout, and the golden."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.checkpoints import write_bundle
from parity.families.gpt2 import FAMILY
from parity.families.values import Config
from parity.tensorfile import Array, TensorSpec

EPSILON = float(np.finfo(np.float32).eps)
LAYERS = 4
"""Of the golden."""
GOLDEN = Path(__file__).parents[1] / "fixtures" / "goldens" / "gpt2"
CONFIG: dict[str, Any] = {"n_vocab": 300, "n_ctx": 12, "n_embd": 8, "n_head": 2, "n_layer": 2}

# The original's name, its axes (E n_embd, C n_ctx, V n_vocab; 3E and 4E are wider), Hugging Face's name in GPT2Model.
# Every w has a leading axis of 1, which GPT2Model has not.
LINES = """
model/wpe                 C,E     wpe.weight
model/wte                 V,E     wte.weight
model/h#/ln_1/g           E       h.#.ln_1.weight
model/h#/ln_1/b           E       h.#.ln_1.bias
model/h#/attn/c_attn/w    1,E,3E  h.#.attn.c_attn.weight
model/h#/attn/c_attn/b    3E      h.#.attn.c_attn.bias
model/h#/attn/c_proj/w    1,E,E   h.#.attn.c_proj.weight
model/h#/attn/c_proj/b    E       h.#.attn.c_proj.bias
model/h#/ln_2/g           E       h.#.ln_2.weight
model/h#/ln_2/b           E       h.#.ln_2.bias
model/h#/mlp/c_fc/w       1,E,4E  h.#.mlp.c_fc.weight
model/h#/mlp/c_fc/b       4E      h.#.mlp.c_fc.bias
model/h#/mlp/c_proj/w     1,4E,E  h.#.mlp.c_proj.weight
model/h#/mlp/c_proj/b     E       h.#.mlp.c_proj.bias
model/ln_f/g              E       ln_f.weight
model/ln_f/b              E       ln_f.bias
"""


def lines(layers: int, *, head: str = "lm") -> list[tuple[str, str, str]]:
    """Per tensor: the original's name, its axes, and the name in the head's class."""
    found = []
    for source, axes, target in (line.split() for line in LINES.strip().splitlines()):
        full = f"transformer.{target}" if head == "lm" else target
        numbers = range(layers) if "#" in source else range(1)
        found += [(source.replace("#", str(i)), axes, full.replace("#", str(i))) for i in numbers]
    return found


def shapes(config: dict[str, Any] = CONFIG) -> dict[str, tuple[int, ...]]:
    """Every variable's shape."""
    width = config["n_embd"]
    sizes = {"1": 1, "C": config["n_ctx"], "V": config["n_vocab"], "E": width, "3E": 3 * width, "4E": 4 * width}
    return {source: tuple(sizes[axis] for axis in axes.split(",")) for source, axes, _ in lines(config["n_layer"])}


def arrays(config: dict[str, Any] = CONFIG) -> dict[str, Array]:
    """Variables by name, from a fixed seed."""
    rng = np.random.default_rng(7)
    return {
        name: (rng.normal(0, 0.2, shape) + name.endswith("/g")).astype(np.float32)
        for name, shape in shapes(config).items()
    }


def write_source(folder: Path, tensors: dict[str, Array] | None = None, config: dict[str, Any] = CONFIG) -> Path:
    """A checkpoint folder with hparams.json, encoder.json and vocab.bpe."""
    found = arrays(config) if tensors is None else tensors
    folder.mkdir(parents=True, exist_ok=True)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in found.items()]
    write_bundle(folder / "model.ckpt", specs, found.values())
    (folder / "hparams.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def read(raw: Mapping[str, Any]) -> Config:
    return FAMILY.read_config(raw, where=Path("hparams.json"))


def golden(prefix: str = "") -> dict[str, Array]:
    """What the original computed, by tap; with "cont_" for what followed the past."""
    kept = np.load(GOLDEN / "golden.npz")
    found = {"embeddings": kept[f"{prefix}embedding_output"], "final_norm": kept[f"{prefix}ln_f"]}
    found["logits.lm"] = kept[f"{prefix}logits"]
    for i in range(LAYERS):
        found[f"layer.{i}"] = kept[f"{prefix}layer_{i}"]
        for at, part in enumerate(("key", "value")):
            found[f"past.{i}.{part}"] = kept[f"{prefix}present"][:, i, at]
    return found


def fed(prefix: str = "") -> dict[str, Array]:
    kept = np.load(GOLDEN / "golden.npz")
    ids = kept[f"{prefix}input_ids"]
    inputs = {"input_ids": ids, "logit_positions": np.tile(np.arange(ids.shape[1]), (len(ids), 1))}
    if prefix:
        inputs |= {
            f"past.{i}.{part}": kept["past"][:, i, at]
            for i in range(LAYERS)
            for at, part in enumerate(("key", "value"))
        }
    return inputs


def noise(ours: Array, theirs: Array) -> tuple[float, float]:
    """rms and max of the deviation, in roundings."""
    deviation = ours.astype(np.float64) - theirs
    size = np.sqrt(np.mean(theirs.astype(np.float64) ** 2))
    return float(np.sqrt(np.mean(deviation**2)) / size / EPSILON), float(np.abs(deviation).max() / size / EPSILON)


def apart(ours: Array, theirs: Array) -> float:
    """Largest deviation in units of the tap's size: without a norm between blocks the states grow to rms 4 and more."""
    return noise(ours, theirs)[1] * EPSILON
