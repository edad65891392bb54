"""What a Transformer-XL folder computes, as a text for a `Builder`: weights by transformers' old names.

Follows the original's `tf/model.py` (https://github.com/kimiyoung/transformer-xl, 44781ed), not transformers, which
masked one place too many with `same_length`, assumed another epsilon, and dropped the class with 5.0: zeros fed as
memory are attended to, and log-probabilities are those of the whole vocabulary in its order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_config import checked_config, whole
from parity.artifacts.graph_export import Source, Text
from parity.artifacts.graph_relative import Relative
from parity.artifacts.graph_softmax import Clusters
from parity.errors import Problems

_SIZES = ("vocab_size", "d_model", "d_embed", "n_layer", "n_head", "d_head", "d_inner", "div_val")
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "attn_type": (0,),
    "pre_lnorm": (False,),
    "untie_r": (True, False),
    "same_length": (True, False),
    "proj_same_dim": (True, False),
    "proj_share_all_but_first": (True, False),
}
_DEFAULTS = {"untie_r": True, "same_length": True, "clamp_len": 1000, "mem_len": 1600, "div_val": 4}
"""TransfoXLConfig's, for fields that a folder leaves out."""


class _TransfoXL(Relative):
    """One folder's Transformer-XL, drawn with one builder."""

    def __init__(self, source: Source, builder: Builder) -> None:
        config = _checked(source)
        super().__init__(source.weights, builder, config, epsilon=config["layer_norm_epsilon"])
        self.base = "transformer." if "transformer.word_emb.emb_layers.0.weight" in source.weights else ""
        self.clusters = Clusters(source.weights, builder, config, self.base)

    def hidden(self) -> Value:
        """The last hidden state, [B,T,C]; the new memories are shipped."""
        draw = self.draw
        ids = draw.input("input_ids", None)
        mems = self.memories()
        memory, length = draw.size("memory.length", mems[0], 1), draw.size("input.length", ids, 1)
        hidden = draw.scale("embeddings", self.clusters.embedded(ids), math.sqrt(self.width))
        own, keys = self.places(memory, length)
        hiding = self.hiding(self.causal(own, keys, memory))
        # One farther than any: what the papers' padding is, a product that no token sees.
        total = draw.combine("memory.all", "add", memory, length)
        distances = self.distances(total, -1, None)
        # The original cuts what it hands on to mem_len only where it was given a memory.
        surplus = draw.combine("memory.surplus", "subtract", total, self.config["mem_len"])
        some = draw.combine("memory.some", "greater", memory, 0)
        start = draw.choose("memory.start", some, draw.combine("memory.dropped", "largest", surplus, 0), 0)
        for k, mem in enumerate(mems):
            hidden = self.layer(k, hidden, mem, (distances, hiding, keys, memory), start)
        return hidden

    def layer(self, k: int, hidden: Value, mem: Value, shared: tuple[Value, ...], start: Value) -> Value:
        """One layer; its new memory begins at `start` of what it has seen."""
        draw, tap, scope = self.draw, f"layer.{k}", f"{self.base}layers.{k}"
        own, inner, at = f"{scope}.dec_attn", self.heads * self.size, f"{tap}.attention"
        distances, hiding, keys, memory = shared
        seen = draw.concat(f"{at}.seen", (mem, hidden), 1)
        self.remember(k, seen, start=start)
        fused = self.dense(f"{at}.fused", seen, f"{own}.qkv_net", (3 * inner, self.width), bias=False)
        every, key, value = (
            draw.slice(f"{at}.{name}", fused, 2, number * inner, (number + 1) * inner)
            for number, name in enumerate(("queries", "key", "value"))
        )
        query = draw.slice(f"{at}.query", every, 1, memory, None)
        far = self.dense(f"{at}.distances", distances, f"{own}.r_net", (inner, self.width), bias=False)
        biases = f"{own}." if self.config["untie_r"] else self.base
        summed = draw.add(
            f"{at}.sum",
            self.content(f"{at}.content", query, f"{biases}r_w_bias", self.parted(f"{at}.key_heads", key)),
            self.position(f"{at}.position", query, f"{biases}r_r_bias", far, keys),
        )
        context = self.attended(tap, summed, hiding, self.parted(f"{at}.value_heads", value))
        output = self.dense(f"{at}.output", context, f"{own}.o_net", (self.width, inner), bias=False)
        normed = self.norm(f"{at}.norm", draw.add(f"{at}.residual", output, hidden), f"{own}.layer_norm")
        scopes = (f"{scope}.pos_ff.CoreNet.0", f"{scope}.pos_ff.CoreNet.3", f"{scope}.pos_ff.layer_norm")
        return self.feed_forward(tap, normed, scopes, "relu")


def _checked(source: Source) -> Mapping[str, Any]:
    filled = replace(source, config={**_DEFAULTS, **source.config})
    config = checked_config(filled, "a Transformer-XL", sizes=_SIZES, epsilon="layer_norm_epsilon", choices=_CHOICES)
    where = source.folder / "config.json"
    problems = Problems("config.json does not describe a Transformer-XL this graph computes", where=where)
    for key in ("clamp_len", "mem_len"):
        if not whole(config[key]) or (key == "mem_len" and config[key] < 0):
            problems.add(f"{key} is not a whole number", got=config[key])
    cutoffs = config.get("cutoffs")
    bounds = [0, *cutoffs, config["vocab_size"]] if isinstance(cutoffs, list) and all(map(whole, cutoffs)) else [0, 0]
    if any(low >= high for low, high in pairwise(bounds)):
        problems.add("cutoffs do not rise from 1 to below vocab_size", got=cutoffs)
    elif config["d_embed"] // config["div_val"] ** (len(bounds) - 2) < 1:
        problems.add("d_embed leaves no column for the last cluster", got=config["d_embed"])
    if config["d_model"] % 2:
        problems.add("d_model is odd", got=config["d_model"])
    ties = config.get("tie_projs", [])
    if not isinstance(ties, list) or (ties and len(ties) != len(bounds) - 1):
        problems.add("tie_projs does not fit the cutoffs", got=ties)
    problems.raise_if_any()
    return config


def _model(source: Source, builder: Builder) -> None:
    model = _TransfoXL(source, builder)
    builder.output("last_hidden_state", model.hidden(), ("batch", "sequence", model.width))


def _lm(source: Source, builder: Builder) -> None:
    model = _TransfoXL(source, builder)
    log_probs = model.clusters.log_probs(builder.apply("lm.input", "same", model.hidden()))
    builder.output("log_probs", log_probs, ("batch", "sequence", source.config["vocab_size"]))


TEXTS: Mapping[str, Text] = {"TransfoXLModel": _model, "TransfoXLLMHeadModel": _lm}
