"""What a Hugging Face OpenAI GPT class computes, as a text for a `Builder`.

Follows `modeling_openai.py` of transformers (https://github.com/huggingface/transformers), in inference: causal
attention over all tokens, layer norms behind attention and feed-forward, none at the end. Every choice of
multiple choice is a row of its own; its head reads the first token of the row that is the vocabulary's last, which is
the original's `_classify_`, where `n_special` says that there are special tokens, else the last one of the row,
transformers' default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_causal import Causal
from parity.artifacts.graph_config import checked_config, whole
from parity.artifacts.graph_export import Source, Text
from parity.errors import ParityError

_TABLE = "tokens_embed.weight"
_SIZES = ("vocab_size", "n_embd", "n_layer", "n_head", "n_positions")
# The original's GELU is tanh, and here "gelu" means it.
_ACTIVATIONS = {"gelu": "gelu_tanh", "relu": "relu", "swish": "swish", "silu": "swish"}
_CHOICES: Mapping[str, tuple[object, ...]] = {"afn": tuple(_ACTIVATIONS), "pruned_heads": ({}, None)}
_SUMMARY: Mapping[str, tuple[object, ...]] = {
    "summary_type": ("cls_index", "last"),
    "summary_use_proj": (True,),
    "summary_proj_to_labels": (True,),
    "summary_activation": (None, "tanh", "relu"),
}


class _Gpt(Causal):
    """One folder's GPT, drawn with one builder."""

    hidden_score = -1e9

    def __init__(self, source: Source, builder: Builder, choices: Mapping[str, tuple[object, ...]] = _CHOICES) -> None:
        config = checked_config(
            source,
            "an OpenAI GPT",
            sizes=_SIZES,
            epsilon="layer_norm_epsilon",
            choices=choices,
            multiple=("n_embd", "n_head"),
        )
        super().__init__(
            source,
            builder,
            base="transformer." if f"transformer.{_TABLE}" in source.weights else "",
            activation=_ACTIVATIONS[config.get("afn", "gelu")],
            inner=4 * config["n_embd"],
        )
        self.ids = builder.input("input_ids", config["n_positions"])

    def hidden(self) -> Value:
        """The last hidden state, [B,T,C]."""
        draw = self.draw
        words = draw.lookup("embeddings.words", self.table(_TABLE, "vocab_size"), self.ids)
        places = draw.leading_rows(
            "embeddings.positions", self.table("positions_embed.weight", "n_positions"), self.ids
        )
        hidden = draw.add("embeddings", words, places)
        seen = self.causal(0, draw.size("input.length", self.ids, 1))
        for k in range(self.config["n_layer"]):
            hidden = self.block(f"layer.{k}", f"{self.base}h.{k}", hidden, seen)
        return hidden

    def block(self, tap: str, scope: str, hidden: Value, seen: Value) -> Value:
        """One block, norms last."""
        draw, at = self.draw, f"{tap}.attention"
        parts = self.projected(tap, hidden, scope)
        query, keys, values = (
            self.parted(f"{at}.{name}_heads", part) for name, part in zip(("query", "key", "value"), parts, strict=True)
        )
        scale = 1 / math.sqrt(self.width // self.heads)
        output = self.attention(tap, scope, (query, keys, values), scale, seen)
        attended = self.norm(f"{at}.norm", draw.add(f"{at}.sum", output, hidden), f"{scope}.ln_1")
        fed = self.feed_forward(tap, attended, scope)
        return self.norm(tap, draw.add(f"{tap}.sum", fed, attended), f"{scope}.ln_2")

    def last_but(self, pad: int | None, hidden: Value) -> Value:
        """The hidden state of each row's last token that is not `pad`, of its first one where there is none: [B,C]."""
        draw = self.draw
        if pad is None:
            return draw.token("classifier.input", hidden, -1)
        places = draw.count("classifier.places", 0, draw.size("classifier.length", self.ids, 1))
        real = draw.apply("classifier.real", "not", draw.combine("classifier.padding", "equal", self.ids, pad))
        last = draw.top("classifier.place", draw.choose("classifier.read", real, places, 0))
        return self.picked(hidden, places, last)

    def first_of(self, token: int, hidden: Value) -> Value:
        """The hidden state of each row's first `token`, of its first one where there is none: [B,C]."""
        draw = self.draw
        length = draw.size("classifier.length", self.ids, 1)
        places = draw.count("classifier.places", 0, length)
        # Counted from the row's end, the first is the largest, and 0 is none.
        left = draw.combine("classifier.left", "subtract", length, places)
        there = draw.combine("classifier.there", "equal", self.ids, token)
        most = draw.top("classifier.most", draw.choose("classifier.read", there, left, 0))
        first = draw.combine("classifier.first", "subtract", length, most)
        some = draw.combine("classifier.some", "greater", most, 0)
        return self.picked(hidden, places, draw.choose("classifier.place", some, first, 0))

    def picked(self, hidden: Value, places: Value, place: Value) -> Value:
        """Hidden states [B,T,C] at `place` [B,1], one of `places` [T]: [B,C]."""
        draw = self.draw
        chosen = draw.apply("classifier.chosen", "float32", draw.combine("classifier.at", "equal", places, place))
        # One 1 in a row of 0: the product is the state itself.
        row = draw.reshape("classifier.row", chosen, (0, 1, -1))
        return draw.reshape("classifier.input", draw.matmul("classifier.product", row, hidden), (0, -1))


def _model(source: Source, builder: Builder) -> None:
    gpt = _Gpt(source, builder)
    builder.output("last_hidden_state", gpt.hidden(), ("batch", "sequence", gpt.width))


def _lm(source: Source, builder: Builder) -> None:
    gpt = _Gpt(source, builder)
    gpt.lm(gpt.hidden(), _TABLE)


def _double_heads(source: Source, builder: Builder) -> None:
    gpt = _Gpt(source, builder, {**_CHOICES, **_SUMMARY})
    hidden, scope = gpt.hidden(), "multiple_choice_head.summary"
    gpt.lm(hidden, _TABLE)
    gpt.weights.check_shape(f"{scope}.weight", (1, gpt.width))
    gpt.weights.check_shape(f"{scope}.bias", (1,))
    special = source.config.get("n_special", 0)
    if not whole(special) or special < 0:
        raise ParityError("n_special is not a whole number", where=source.folder / "config.json", got=special)
    classify = source.config["vocab_size"] - 1
    token = gpt.first_of(classify, hidden) if special else gpt.last_but(None, hidden)
    kind = source.config.get("summary_activation")
    name = "logits.classifier" if kind is None else "classifier.dense"
    scores = builder.dense(name, token, f"{scope}.weight", f"{scope}.bias")
    if kind is not None:
        scores = builder.activate("logits.classifier", scores, kind)
    builder.output("mc_logits", scores, ("batch", 1))


def _sequences(source: Source, builder: Builder) -> None:
    gpt = _Gpt(source, builder)
    pad = source.config.get("pad_token_id")
    if pad is not None and not whole(pad):
        raise ParityError("pad_token_id is not a whole number", where=source.folder / "config.json", got=pad)
    token = gpt.last_but(pad, gpt.hidden())
    labels = gpt.weights.shape("score.weight")[0]
    gpt.weights.check_shape("score.weight", (labels, gpt.width))
    builder.output("logits", builder.dense("logits.classifier", token, "score.weight", None), ("batch", labels))


TEXTS: Mapping[str, Text] = {
    "OpenAIGPTModel": _model,
    "OpenAIGPTLMHeadModel": _lm,
    "OpenAIGPTDoubleHeadsModel": _double_heads,
    "OpenAIGPTForSequenceClassification": _sequences,
}
