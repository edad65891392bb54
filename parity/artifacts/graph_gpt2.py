"""What a Hugging Face GPT-2 class computes, as a text for a `Builder`.

Follows `modeling_gpt2.py` of transformers with eager attention (https://github.com/huggingface/transformers), in
inference: layer norms before attention and feed-forward, causal attention over the past's keys and values and the new
ones, positions counted from the length of the past. What is attended to is always all of the past: there is no mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_causal import Causal
from parity.artifacts.graph_config import ACTIVATIONS, checked_config
from parity.artifacts.graph_export import Source, Text

_TABLE = "wte.weight"
_SIZES = ("vocab_size", "n_embd", "n_layer", "n_head", "n_positions")
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "activation_function": ("gelu_new", *ACTIVATIONS),
    "scale_attn_weights": (True, False),
    "scale_attn_by_inverse_layer_idx": (False, True),
    "add_cross_attention": (False,),
    "pruned_heads": ({}, None),
}


class _Gpt2(Causal):
    """One folder's GPT-2, drawn with one builder."""

    def __init__(self, source: Source, builder: Builder) -> None:
        config = checked_config(
            source,
            "a GPT-2",
            sizes=_SIZES,
            epsilon="layer_norm_epsilon",
            choices=_CHOICES,
            multiple=("n_embd", "n_head"),
        )
        super().__init__(
            source,
            builder,
            base="transformer." if f"transformer.{_TABLE}" in source.weights else "",
            activation=ACTIVATIONS[config.get("activation_function", "gelu_new")],
            inner=config.get("n_inner") or 4 * config["n_embd"],
        )

    def hidden(self) -> Value:
        """The last hidden state, after the final norm, [B,T,C]; the new keys and values are shipped."""
        draw, config = self.draw, self.config
        ids = draw.input("input_ids", config["n_positions"])
        axes = ("batch", self.heads, "past", self.width // self.heads)
        past = {
            (k, part): draw.state(f"past.{k}.{part}", axes)
            for k in range(config["n_layer"])
            for part in ("key", "value")
        }
        start, length = draw.size("past.length", past[0, "key"], 2), draw.size("input.length", ids, 1)
        words = draw.lookup("embeddings.words", self.table(_TABLE, "vocab_size"), ids)
        places = draw.rows("embeddings.positions", self.table("wpe.weight", "n_positions"), start, length)
        hidden = draw.add("embeddings", words, places)
        seen = self.causal(start, length)
        for k in range(config["n_layer"]):
            hidden = self.block(k, hidden, seen, (past[k, "key"], past[k, "value"]))
        return self.norm("final_norm", hidden, f"{self.base}ln_f")

    def block(self, k: int, hidden: Value, seen: Value, past: tuple[Value, Value]) -> Value:
        """One block, norms first."""
        draw, tap, scope = self.draw, f"layer.{k}", f"{self.base}h.{k}"
        scale = 1 / math.sqrt(self.width // self.heads) if self.config.get("scale_attn_weights", True) else 1.0
        if self.config.get("scale_attn_by_inverse_layer_idx"):
            scale /= k + 1
        parts = self.projected(tap, self.norm(f"{tap}.attention.norm", hidden, f"{scope}.ln_1"), scope)
        names = (f"present.{k}.key", f"present.{k}.value")
        new = [self.parted(name, part) for name, part in zip(names, parts[1:], strict=True)]
        for name, value in zip(names, new, strict=True):
            draw.output(name, value, ("batch", self.heads, "sequence", self.width // self.heads))
        keys, values = (
            draw.concat(f"{tap}.attention.all_{name}", pair, 2)
            for name, pair in zip(("keys", "values"), zip(past, new, strict=True), strict=True)
        )
        query = self.parted(f"{tap}.attention.query_heads", parts[0])
        attended = draw.add(
            f"{tap}.attention.residual", self.attention(tap, scope, (query, keys, values), scale, seen), hidden
        )
        fed = self.feed_forward(tap, self.norm(f"{tap}.norm", attended, f"{scope}.ln_2"), scope)
        return draw.add(tap, fed, attended)


def _model(source: Source, builder: Builder) -> None:
    gpt = _Gpt2(source, builder)
    builder.output("last_hidden_state", gpt.hidden(), ("batch", "sequence", gpt.width))


def _lm(source: Source, builder: Builder) -> None:
    gpt = _Gpt2(source, builder)
    gpt.lm(gpt.hidden(), _TABLE)


TEXTS: Mapping[str, Text] = {"GPT2Model": _model, "GPT2LMHeadModel": _lm}
