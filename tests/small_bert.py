"""Small BERT checkpoints as their authors' tools leave them, and the goldens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bert_names import lines

from parity.checkpoints import open_checkpoint, write_bundle
from parity.tensorfile import Array, TensorSpec, numpy_dtype

ROOT = Path(__file__).parents[1]
GOLDENS = ROOT / "fixtures" / "goldens"
ERF, CYRILLIC = GOLDENS / "bert_pretrain_erf", GOLDENS / "bert_cyrillic"
PREFIX = "bert_model.ckpt"

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCAB = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS), ".", ",")
CONFIG: dict[str, Any] = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 8,
    "initializer_range": 0.02,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": len(VOCAB),
}


def arrays(
    head: str = "pretraining", *, config: Mapping[str, Any] = CONFIG, labels: int = 3, dtype: str = "float32"
) -> dict[str, Array]:
    """Variables by name, from a fixed seed."""
    rng = np.random.default_rng(5)
    sizes = {
        "H": config["hidden_size"],
        "I": config["intermediate_size"],
        "V": config["vocab_size"],
        "P": config["max_position_embeddings"],
        "S": config["type_vocab_size"],
        "C": labels,
        "2": 2,
    }
    return {
        line.source: (rng.normal(0, 0.2, [sizes[axis] for axis in line.axes]) + line.source.endswith("gamma")).astype(
            numpy_dtype(dtype)
        )
        for line in lines(config["num_hidden_layers"], head)
    }


def write_source(
    folder: Path,
    head: str = "pretraining",
    *,
    config: Mapping[str, Any] = CONFIG,
    vocab: Iterable[str] = VOCAB,
    tensors: Mapping[str, Array] | None = None,
    extra: Mapping[str, Array] | None = None,
    change: Callable[[dict[str, Array]], None] | None = None,
    shards: int = 1,
    labels: int = 3,
    dtype: str = "float32",
) -> Path:
    """A folder with checkpoint, bert_config.json and vocab.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    held = dict(tensors if tensors is not None else arrays(head, config=config, labels=labels, dtype=dtype))
    held |= extra or {}
    if change is not None:
        change(held)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()]
    write_bundle(folder / PREFIX, specs, held.values(), shards=shards)
    (folder / "bert_config.json").write_text(json.dumps(dict(config)))
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocab), encoding="utf-8")
    return folder


def read_source(path: Path) -> dict[str, Array]:
    """Every tensor of a checkpoint."""
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.entries}


def golden_inputs(case: Path, out: Path) -> Path:
    """The golden's batch under the names of INPUTS."""
    golden = np.load(case / "golden.npz")
    np.savez(
        out,
        input_ids=golden["input_ids"],
        attention_mask=golden["input_mask"],
        token_type_ids=golden["segment_ids"],
    )
    return out


def tree(folder: Path) -> set[str]:
    """Everything below a folder, hidden files too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
