"""Transformer-XL folders by transformers' old names, and a plain float64 forward pass to hold their graphs against.

The pass follows the original's tf/model.py step by step, time-major, padded shift and all.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from parity.tensorfile import TensorSpec, write_tensors

Arrays = dict[str, np.ndarray]
CONFIG: dict[str, Any] = {
    "attn_type": 0,
    "clamp_len": -1,
    "cutoffs": [11, 20, 37],
    "d_embed": 16,
    "d_head": 6,
    "d_inner": 28,
    "d_model": 20,
    "div_val": 2,
    "layer_norm_epsilon": 1e-12,
    "mem_len": 6,
    "model_type": "transfo-xl",
    "n_head": 3,
    "n_layer": 2,
    "proj_same_dim": True,
    "same_length": False,
    "tie_projs": [False, True, True, True],
    "untie_r": True,
    "vocab_size": 53,
}
BODY = "transformer."


def write_folder(folder: Path, arrays: Arrays, config: dict[str, Any], *, target_class: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [target_class]}))
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in arrays.items()]
    write_tensors(folder / "model.safetensors", specs, arrays.values(), metadata={"format": "pt"})
    return folder


def bounds(config: dict[str, Any]) -> list[tuple[int, int]]:
    ends = [0, *config["cutoffs"], config["vocab_size"]]
    return list(pairwise(ends))


def projected(config: dict[str, Any], k: int) -> bool:
    width = config["d_embed"] // config["div_val"] ** k
    return width != config["d_model"] or (config["div_val"] > 1 and config["proj_same_dim"])


def weights(config: dict[str, Any]) -> Arrays:
    """Random weights of a language model, every name written down by hand; tied ones are left out."""
    model, inner, wide = config["d_model"], config["n_head"] * config["d_head"], config["d_inner"]
    shapes: dict[str, tuple[int, ...]] = {}
    parts = bounds(config)
    for k, (first, end) in enumerate(parts):
        width = config["d_embed"] // config["div_val"] ** k
        if config["div_val"] > 1 or k == 0:
            rows = end - first if config["div_val"] > 1 else config["vocab_size"]
            shapes[f"{BODY}word_emb.emb_layers.{k}.weight"] = (rows, width)
            shapes[f"crit.out_layers.{k}.bias"] = (rows,)
            if projected(config, k):
                shapes[f"{BODY}word_emb.emb_projs.{k}"] = (model, width)
        if projected(config, k) and not config["tie_projs"][k]:
            shapes[f"crit.out_projs.{k}"] = (model, width)
    if config["cutoffs"]:
        shapes |= {"crit.cluster_weight": (len(parts) - 1, config["d_embed"]), "crit.cluster_bias": (len(parts) - 1,)}
    biases = ("r_w_bias", "r_r_bias")
    if not config["untie_r"]:
        shapes |= {BODY + name: (config["n_head"], config["d_head"]) for name in biases}
    for i in range(config["n_layer"]):
        layer = f"{BODY}layers.{i}"
        if config["untie_r"]:
            shapes |= {f"{layer}.dec_attn.{name}": (config["n_head"], config["d_head"]) for name in biases}
        shapes[f"{layer}.dec_attn.qkv_net.weight"] = (3 * inner, model)
        shapes[f"{layer}.dec_attn.r_net.weight"] = (inner, model)
        shapes[f"{layer}.dec_attn.o_net.weight"] = (model, inner)
        shapes |= {f"{layer}.pos_ff.CoreNet.0.weight": (wide, model), f"{layer}.pos_ff.CoreNet.0.bias": (wide,)}
        shapes |= {f"{layer}.pos_ff.CoreNet.3.weight": (model, wide), f"{layer}.pos_ff.CoreNet.3.bias": (model,)}
        for norm in ("dec_attn.layer_norm", "pos_ff.layer_norm"):
            shapes |= {f"{layer}.{norm}.weight": (model,), f"{layer}.{norm}.bias": (model,)}
    rng = np.random.default_rng(7)
    return {
        name: (rng.normal(0, 0.3, shape) + name.endswith("layer_norm.weight")).astype(np.float32)
        for name, shape in shapes.items()
    }


class Original:
    """The original's graph in float64."""

    def __init__(self, arrays: Arrays, config: dict[str, Any]) -> None:
        self.arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
        self.config = config

    def run(self, ids: np.ndarray, mems: list[np.ndarray] | None) -> Arrays:
        """Batch-major in and out, under the names of the graph's values."""
        config, found = self.config, Arrays()
        tokens = ids.T
        length = len(tokens)
        old = [np.zeros((0, tokens.shape[1], config["d_model"]))] * config["n_layer"]
        if mems is not None:
            old = [mem.transpose(1, 0, 2).astype(np.float64) for mem in mems]
        memory = len(old[0])
        mask = np.triu(np.ones((length, length)), 1)
        mask = np.concatenate([np.zeros((length, memory)), mask], 1)
        if config["same_length"]:
            mask[:, :length] += np.tril(np.ones((length, length)), -1)
        distances = np.arange(memory + length - 1, -1, -1.0)
        if config["clamp_len"] > 0:
            distances = np.minimum(distances, config["clamp_len"])
        angles = np.outer(distances, 1 / 10000 ** (np.arange(0, config["d_model"], 2.0) / config["d_model"]))
        far = np.concatenate([np.sin(angles), np.cos(angles)], -1)
        output = self.embedded(tokens) * math.sqrt(config["d_model"])
        found["embeddings"] = output
        for i in range(config["n_layer"]):
            found[f"new_mems.{i}"] = np.concatenate([old[i], output], 0)[-config["mem_len"] if memory else 0 :]
            output = found[f"layer.{i}"] = self.layer(i, output, old[i], far, mask)
        found["last_hidden_state"] = output
        found["log_probs"] = self.log_probs(output) if "crit.out_layers.0.bias" in self.arrays else output
        return {name: value.transpose(1, 0, 2) for name, value in found.items()}

    def embedded(self, tokens: np.ndarray) -> np.ndarray:
        body = f"{BODY}word_emb."
        total = np.zeros((*tokens.shape, self.config["d_model"]))
        for k, (first, end) in enumerate(bounds(self.config)):
            own = k if self.config["div_val"] > 1 else 0
            mine = (tokens >= first) & (tokens < end)
            rows = self.arrays[f"{body}emb_layers.{own}.weight"][tokens[mine] - (first if own or k == 0 else 0)]
            if projected(self.config, own):
                rows = rows @ self.arrays[f"{body}emb_projs.{own}"].T
            total[mine] = rows
        return total

    def layer(self, i: int, w: np.ndarray, mem: np.ndarray, r: np.ndarray, mask: np.ndarray) -> np.ndarray:
        config, scope = self.config, f"{BODY}layers.{i}"
        heads, size, length = config["n_head"], config["d_head"], len(w)
        seen = np.concatenate([mem, w], 0)
        query, key, value = (
            part.reshape(*part.shape[:2], heads, size)
            for part in np.split(seen @ self.arrays[f"{scope}.dec_attn.qkv_net.weight"].T, 3, -1)
        )
        query = query[-length:]
        far = (r @ self.arrays[f"{scope}.dec_attn.r_net.weight"].T).reshape(-1, heads, size)
        biases = f"{scope}.dec_attn." if config["untie_r"] else BODY
        content = np.einsum("ibnd,jbnd->ijbn", query + self.arrays[f"{biases}r_w_bias"], key)
        position = np.einsum("ibnd,jnd->ijbn", query + self.arrays[f"{biases}r_r_bias"], far)
        shape = position.shape
        position = np.pad(position, [(0, 0), (1, 0), (0, 0), (0, 0)])
        position = position.reshape(shape[1] + 1, shape[0], *shape[2:])[1:].reshape(shape)
        hidden = mask[:, :, None, None]
        scores = (content + position) / math.sqrt(size) * (1 - hidden) - 1e30 * hidden
        scores = np.exp(scores - scores.max(1, keepdims=True))
        context = np.einsum("ijbn,jbnd->ibnd", scores / scores.sum(1, keepdims=True), value)
        attended = context.reshape(length, -1, heads * size) @ self.arrays[f"{scope}.dec_attn.o_net.weight"].T
        x = self.norm(attended + w, f"{scope}.dec_attn.layer_norm")
        first, second = (f"{scope}.pos_ff.CoreNet.{k}." for k in (0, 3))
        inner = np.maximum(x @ self.arrays[f"{first}weight"].T + self.arrays[f"{first}bias"], 0)
        return self.norm(
            inner @ self.arrays[f"{second}weight"].T + self.arrays[f"{second}bias"] + x, f"{scope}.pos_ff.layer_norm"
        )

    def norm(self, x: np.ndarray, scope: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.config["layer_norm_epsilon"])
        return scaled * self.arrays[f"{scope}.weight"] + self.arrays[f"{scope}.bias"]

    def log_probs(self, hidden: np.ndarray) -> np.ndarray:
        parts: list[np.ndarray] = []
        head = np.empty(0)
        for k, (first, end) in enumerate(bounds(self.config)):
            own = k if self.config["div_val"] > 1 else 0
            table = self.arrays[f"{BODY}word_emb.emb_layers.{own}.weight"]
            bias = self.arrays[f"crit.out_layers.{own}.bias"]
            if self.config["div_val"] == 1:
                table, bias = table[first:end], bias[first:end]
            if k == 0 and self.config["cutoffs"]:
                table = np.concatenate([table, self.arrays["crit.cluster_weight"]])
                bias = np.concatenate([bias, self.arrays["crit.cluster_bias"]])
            narrow = hidden
            if projected(self.config, k):
                tied = f"{BODY}word_emb.emb_projs.{own}"
                narrow = hidden @ self.arrays[tied if self.config["tie_projs"][k] else f"crit.out_projs.{k}"]
            inside = log_softmax(narrow @ table.T + bias)
            if k == 0:
                head, shown = inside, inside[..., :end]
            else:
                shown = inside + head[..., bounds(self.config)[0][1] + k - 1, None]
            parts.append(shown)
        return np.concatenate(parts, -1)


def log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
