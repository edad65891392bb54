"""Loads converted folders as a user of transformers would, feeds them what the original code was fed, and prints.

python families_probe.py ARRAYS.npz < {"folders": {name: {"path": ..., "fed": {call: FILE.npz}, "texts": [...]}}}

Transformer-XL's class is in `parity.torch`; nothing else of parity is imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers_probe import digests, load

Arrays = Mapping[str, Any]
FOREIGN = {"transfo-xl": "parity.torch"}


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    asked = json.load(sys.stdin)
    seen, outputs = {}, {}
    for name, one in asked["folders"].items():
        seen[name], made = look(one["path"], one["texts"], one["fed"])
        outputs |= {f"{name}/{field}": array for field, array in made.items()}
    np.savez(Path(sys.argv[1]), **outputs)
    told = {"transformers": transformers.__version__, "folders": seen}
    sys.stdout.write("PROBE " + json.dumps(told) + "\n")


def look(folder: str, texts: list[str], fed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    kind = json.loads((Path(folder) / "config.json").read_text())["model_type"]
    package = import_module(FOREIGN.get(kind, "transformers"))
    if kind in FOREIGN:
        package.register()
    named, *rest = transformers.AutoConfig.from_pretrained(folder).architectures
    assert not rest
    cls, auto = getattr(package, named), transformers.AutoModel
    if kind in FOREIGN:  # it loads exactly what is there, or refuses
        model, loading = cls.from_pretrained(folder), {}
        bare, bare_loading = auto.from_pretrained(folder), {}
    else:
        model, loading = load(cls, folder)
        bare, bare_loading = load(auto, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder) if texts else None
    told = {
        "class": type(model).__name__,
        "named": named,
        "loading": loading,
        "auto loading": bare_loading,
        "weights": digests(model),
        "auto weights": digests(bare),
        "auto prefix": bare.base_model_prefix + ".",
        "ids": [tokenizer(text)["input_ids"] for text in texts] if tokenizer else [],
    }
    made = {}
    for call, path in fed.items():
        arrays = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
        with torch.inference_mode():
            made |= {f"{call}/{tap}": value.numpy() for tap, value in run(kind, model, arrays)}
    return told, made


def run(kind: str, model: Any, arrays: Arrays) -> Iterator[tuple[str, Any]]:
    """The values of one call by the names that parity has for them, rows first; of a bare call all tensors."""
    plain = {name: array for name, array in arrays.items() if "." not in name and name != "logit_positions"}
    at = arrays.get("logit_positions")
    if "bare" in plain:
        del plain["bare"]
        told = model(**plain)
        named = told.items() if hasattr(told, "items") else vars(told).items()
        yield from ((name, value) for name, value in named if isinstance(value, torch.Tensor))
        return
    held = model(**plain, **STATES[kind](arrays), output_hidden_states=True)
    yield from hidden(kind, list(held.hidden_states), two_streams="target_mapping" in plain)
    logits = held["logits"]
    if at is not None:
        logits = torch.stack([row[one] for row, one in zip(logits, at.long(), strict=True)])
    yield "log_probs" if kind == "transfo-xl" else "logits.lm", logits
    if kind == "gpt2":
        new = -plain["input_ids"].shape[1]  # what was fed stands before
        for k, (key, value) in enumerate(keys_and_values(held.past_key_values)):
            yield f"past.{k}.key", key[:, :, new:]
            yield f"past.{k}.value", value[:, :, new:]
    elif kind != "openai-gpt":
        yield from ((f"mems.{k}", memory.transpose(0, 1)) for k, memory in enumerate(held.mems or ()))


def hidden(kind: str, states: list[Any], *, two_streams: bool) -> Iterator[tuple[str, Any]]:
    if two_streams:
        yield from ((f"query.{k}", state) for k, state in enumerate(states[3::2]))
        states = states[::2]
    yield "embeddings", states[0]
    last = states.pop() if kind == "gpt2" else None  # transformers shows the last block behind the final norm
    yield from ((f"layer.{k}", state) for k, state in enumerate(states[1:]))
    if last is not None:
        yield "final_norm", last


def keys_and_values(cache: Any) -> list[tuple[Any, Any]]:
    """transformers 5 keeps them by layer."""
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return list(zip(cache.key_cache, cache.value_cache, strict=True))


def past(arrays: Arrays) -> dict[str, Any]:
    cache = transformers.DynamicCache()
    for k in range(sum(name.endswith(".key") for name in arrays)):
        cache.update(arrays[f"past.{k}.key"], arrays[f"past.{k}.value"], k)
    return {"past_key_values": cache, "use_cache": True}


def memory(arrays: Arrays) -> list[Any]:
    count = sum(name.startswith("mems.") for name in arrays)
    return [arrays[f"mems.{k}"].transpose(0, 1).contiguous() for k in range(count)]


STATES = {
    "gpt2": past,
    "openai-gpt": lambda arrays: {},
    "transfo-xl": lambda arrays: {"mems": memory(arrays)},  # None would stand for zeros, an empty list is no memory
    "xlnet": lambda arrays: {"mems": memory(arrays) or None},
}

if __name__ == "__main__":
    main()
