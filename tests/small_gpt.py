"""A tiny OpenAI GPT of drawn weights, in the published files, and the golden."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from parity.checkpoints.flat_write import write_flat
from parity.checkpoints.openai import layer_shapes
from parity.tensorfile import Array, TensorSpec

GOLDEN = Path(__file__).parents[1] / "fixtures" / "goldens" / "gpt"
TRAINED = GOLDEN / "finetuned"
HPARAMS = json.loads((GOLDEN / "meta.json").read_text())["hparams"]
OPTIONS = {"n_vocab": 37, "n_ctx": 12, "n_embd": 8, "n_head": 2, "n_layer": 2}


def arrays(*, classifier: bool = False) -> dict[str, Array]:
    """Every variable in the order of the files: gains around 1, the rest around 0."""
    random = np.random.default_rng(11)
    shapes = {"positions": (12, 8), "tokens": (37, 8)}
    shapes |= {f"model/h{i}/{name}": shape for i in range(2) for name, shape in layer_shapes(8)}
    shapes |= {"model/clf/w": (8, 1), "model/clf/b": (1,)} if classifier else {}
    return {
        name: (random.normal(size=shape, scale=0.2) + name.endswith("/g")).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_source(folder: Path) -> Path:
    """The published files of `arrays()` in a new folder, with train.py's options beside."""
    folder.mkdir()
    held = arrays()
    specs = [TensorSpec(name, "float32", array.shape) for name, array in held.items()]
    write_flat(folder / "params_shapes.json", specs, held.values())
    (folder / "config.json").write_text(json.dumps(OPTIONS))
    return folder


def gelu(x: Array) -> Array:
    """The tanh formula, written as a quotient."""
    found: Array = x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return found
