"""Loads converted folders as a user of transformers would, and prints what came of it. parity is not imported.

python transformers_probe.py ARRAYS.npz < {"folders": {name: path}, "texts": [[text, pair or null], ...]}
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    asked = json.load(sys.stdin)
    seen, outputs = {}, {}
    for name, folder in asked["folders"].items():
        seen[name] = look(folder, asked["texts"])
        for field, array in seen[name].pop("outputs").items():
            outputs[f"{name}/{field}"] = array
    np.savez(Path(sys.argv[1]), **outputs)
    told = {"transformers": transformers.__version__, "folders": seen}
    sys.stdout.write("PROBE " + json.dumps(told) + "\n")


def look(folder: str, texts: list[list[str | None]]) -> dict[str, Any]:
    config = transformers.AutoConfig.from_pretrained(folder)
    (named,) = config.architectures
    model, loading = load(getattr(transformers, named), folder)
    auto, auto_loading = load(transformers.AutoModel, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = [tokenizer(text) if pair is None else tokenizer(text, pair) for text, pair in texts]
    return {
        "class": type(model).__name__,
        "named": named,
        "loading": loading,
        "auto loading": auto_loading,
        "weights": digests(model),
        "auto weights": digests(auto),
        "labels": config.num_labels,
        "ids": [row["input_ids"] for row in encoded],
        "types": [row.get("token_type_ids") for row in encoded],
        "outputs": outputs(model, config.vocab_size),
    }


def load(cls: Any, folder: str) -> tuple[Any, dict[str, list[str]]]:
    model, told = cls.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    kinds = ("missing_keys", "unexpected_keys", "mismatched_keys")
    return model.eval(), {kind: sorted(map(str, told.get(kind) or ())) for kind in kinds}


def digests(model: Any) -> dict[str, str]:
    return {
        name: hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()
        for name, tensor in model.state_dict().items()
    }


def outputs(model: Any, vocab_size: int) -> dict[str, Any]:
    """What the model makes of a padded batch of pairs."""
    made = np.random.default_rng(3)
    lengths, length = np.array([12, 7, 1]), 12
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    types = (np.arange(length) >= 5).astype(np.int64) * mask
    fed = {
        "input_ids": made.integers(0, vocab_size, mask.shape) * mask,
        "attention_mask": mask,
        "token_type_ids": types,
    }
    with torch.inference_mode():
        told = model(**{name: torch.from_numpy(array) for name, array in fed.items()})
    return {name: value.numpy() for name, value in told.items() if isinstance(value, torch.Tensor)}


if __name__ == "__main__":
    main()
