"""What a Hugging Face XLNet class computes with one stream of attention, as a text for a `Builder`.

Follows `modeling_xlnet.py` of transformers (https://github.com/huggingface/transformers), in inference; the memory that
is handed on as in the original (https://github.com/zihangdai/xlnet): none without `mem_len`. A token sees itself even
where the mask hides it. The second stream, for permutations and target mappings, is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_config import ACTIVATIONS, checked_config, whole
from parity.artifacts.graph_export import INPUTS, Source, Text
from parity.artifacts.graph_relative import Relative
from parity.errors import Problems

_SIZES = ("vocab_size", "d_model", "n_layer", "n_head", "d_inner")
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "ff_activation": ("gelu", *ACTIVATIONS),
    "attn_type": ("bi", "uni"),
    "bi_data": (False,),
    "same_length": (False, True),
    "summary_type": ("last", "first", "mean", "cls_index"),
    "summary_use_proj": (True, False),
    "summary_proj_to_labels": (False, None),
    "summary_activation": ("tanh", None, "relu", "gelu", "gelu_new"),
}
_DEFAULTS = {"ff_activation": "gelu", "attn_type": "bi", "same_length": False, "clamp_len": -1, "mem_len": 512}
"""XLNetConfig's, for fields that a folder leaves out."""


class _XLNet(Relative):
    """One folder's XLNet, drawn with one builder."""

    def __init__(self, source: Source, builder: Builder) -> None:
        config = _checked(source)
        super().__init__(source.weights, builder, config, epsilon=config["layer_norm_eps"])
        self.base = "transformer." if "transformer.word_embedding.weight" in source.weights else ""
        self.words = f"{self.base}word_embedding.weight"
        self.activation = ACTIVATIONS[config["ff_activation"]]

    def hidden(self) -> Value:
        """The last hidden state, [B,T,C]; the new memories are shipped."""
        draw = self.draw
        ids, mask, types = (draw.input(name, None) for name in INPUTS)
        mems = self.memories()
        memory, length = draw.size("memory.length", mems[0], 1), draw.size("input.length", ids, 1)
        self.weights.check_shape(self.words, (self.config["vocab_size"], self.width))
        hidden = draw.lookup("embeddings", self.words, ids)
        # What the memory holds is real, and of segment 0.
        nothing = draw.combine("memory.zeros", "multiply", draw.count("memory.places", 0, memory), 0)
        remembered = draw.combine("memory.nothing", "multiply", draw.slice("input.first", ids, 1, 0, 1), nothing)
        own, keys = self.places(memory, length)
        padding = draw.combine("attention.real", "less", mask, 1)
        unreal = draw.combine("memory.unreal", "greater", remembered, 0)
        padded = draw.reshape("attention.padded", draw.concat("attention.padding", (unreal, padding), 1), (0, 1, 1, -1))
        if self.config["attn_type"] == "uni":
            padded = draw.combine("attention.unseen", "or", padded, self.causal(own, keys, memory))
        others = draw.apply("attention.others", "not", draw.combine("attention.itself", "equal", keys, own))
        hiding = self.hiding(draw.combine("attention.masked", "and", padded, others))
        every = draw.concat("segments.all", (remembered, types), 1)
        same = draw.combine(
            "segments.same",
            "equal",
            draw.reshape("segments.own", types, (0, 1, -1, 1)),
            draw.reshape("segments.keys", every, (0, 1, 1, -1)),
        )
        total = draw.combine("memory.all", "add", memory, length)
        nearest = draw.combine("distances.least", "multiply", length, -1) if self.config["attn_type"] == "bi" else -1
        distances = self.distances(total, nearest, -self.config["clamp_len"])
        for k, mem in enumerate(mems):
            hidden = self.layer(k, hidden, mem, (distances, hiding, keys, same))
        return hidden

    def layer(self, k: int, hidden: Value, mem: Value, shared: tuple[Value, Value, Value, Value]) -> Value:
        """One layer."""
        draw, tap, scope = self.draw, f"layer.{k}", f"{self.base}layer.{k}"
        own, at = f"{scope}.rel_attn", f"{tap}.attention"
        distances, hiding, keys, same = shared
        seen = draw.concat(f"{at}.seen", (mem, hidden), 1)
        self.cache(k, mem, hidden, seen)
        query = self.projected(f"{at}.query", hidden, f"{own}.q")
        key, value = (self.projected(f"{at}.{name}", seen, f"{own}.{name[0]}") for name in ("key", "value"))
        far = self.projected(f"{at}.distances", distances, f"{own}.r")
        words = draw.add(
            f"{at}.words",
            self.content(f"{at}.content", query, f"{own}.r_w_bias", self.parted(f"{at}.key_heads", key)),
            self.position(f"{at}.position", query, f"{own}.r_r_bias", far, keys),
        )
        summed = draw.add(f"{at}.sum", words, self.segments(f"{at}.segments", query, own, same))
        context = self.attended(tap, summed, hiding, self.parted(f"{at}.value_heads", value))
        output = self.projected(f"{at}.output", context, f"{own}.o", back=True)
        normed = self.norm(f"{at}.norm", draw.add(f"{at}.residual", output, hidden), f"{own}.layer_norm")
        scopes = (f"{scope}.ff.layer_1", f"{scope}.ff.layer_2", f"{scope}.ff.layer_norm")
        return self.feed_forward(tap, normed, scopes, self.activation)

    def projected(self, name: str, x: Value, weight: str, *, back: bool = False) -> Value:
        """A product with a weight [C,n,d], from C to n*d or back."""
        self.weights.check_shape(weight, (self.width, self.heads, self.size))
        flat = (self.width, self.heads * self.size)
        return self.draw.dense(name, x, weight, None, turned=not back, flat=flat)

    def segments(self, name: str, query: Value, own: str, same: Value) -> Value:
        """Scores of being of the same segment or of another, whatever their numbers: [B,n,T,K]."""
        draw = self.draw
        self.weights.check_shape(f"{own}.seg_embed", (2, self.heads, self.size))
        kinds = draw.transpose(f"{name}.kinds", draw.weight(f"{own}.seg_embed"), (1, 2, 0))
        both = draw.matmul(f"{name}.both", self.biased(f"{name}.query", query, f"{own}.r_s_bias"), kinds)
        alike, other = (draw.slice(f"{name}.{kind}", both, 3, kind, kind + 1) for kind in (0, 1))
        return draw.choose(name, same, alike, other)

    def cache(self, k: int, mem: Value, hidden: Value, seen: Value) -> None:
        """Ship the new memory of layer k, of the first `reuse_len` new tokens alone where that is set."""
        reuse = self.config.get("reuse_len")
        if reuse and self.config["mem_len"]:
            first = self.draw.slice(f"layer.{k}.reused", hidden, 1, 0, reuse)
            seen = self.draw.concat(f"layer.{k}.remembered", (mem, first), 1)
        self.remember(k, seen)

    def summary(self, hidden: Value) -> Value:
        """One state for each row, [B,C]: a token, or the mean of all, as the config says, then a dense layer."""
        draw, config = self.draw, self.config
        kind, activation = config.get("summary_type", "last"), config.get("summary_activation", "tanh")
        steps: list[Callable[[str, Value], Value]] = [
            lambda name, x: (
                draw.mean(name, x, 1) if kind == "mean" else draw.token(name, x, 0 if kind == "first" else -1)
            )
        ]
        if config.get("summary_use_proj", True):
            square = (self.width, self.width)
            steps.append(lambda name, x: self.dense(name, x, "sequence_summary.summary", square))
        if activation is not None:
            steps.append(lambda name, x: draw.activate(name, x, ACTIVATIONS[activation]))
        for number, step in enumerate(steps):
            hidden = step("summary" if number + 1 == len(steps) else f"summary.{number}", hidden)
        return hidden

    def logits(self, tap: str, x: Value, scope: str, output: str | None = None) -> Value:
        """A dense head as wide as its bias, [B,C] or [B,T,C]; shipped where it has a name."""
        labels = self.weights.shape(f"{scope}.bias")[0]
        scores = self.dense(tap, x, scope, (labels, self.width))
        if output is not None:
            self.draw.output(output, scores, ("batch", labels))
        return scores


def _checked(source: Source) -> Mapping[str, Any]:
    filled = replace(source, config={**_DEFAULTS, **source.config})
    config = checked_config(
        filled, "an XLNet", sizes=_SIZES, epsilon="layer_norm_eps", choices=_CHOICES, multiple=("d_model", "n_head")
    )
    where = source.folder / "config.json"
    problems = Problems("config.json does not describe an XLNet this graph computes", where=where)
    for key in ("mem_len", "reuse_len"):
        value = config.get(key)
        if value is not None and (not whole(value) or value < 0):
            problems.add(f"{key} is not a whole number", got=value)
    if not whole(config["clamp_len"]):
        problems.add("clamp_len is not a whole number", got=config["clamp_len"])
    size = config["d_model"] // config["n_head"]
    if config.get("d_head", size) != size:
        problems.add("d_head is not d_model / n_head", got=config["d_head"], expected=size)
    if config["d_model"] % 2:
        problems.add("d_model is odd", got=config["d_model"])
    problems.raise_if_any()
    return {**config, "d_head": size}


def _model(source: Source, builder: Builder) -> None:
    model = _XLNet(source, builder)
    builder.output("last_hidden_state", model.hidden(), ("batch", "sequence", model.width))


def _lm(source: Source, builder: Builder) -> None:
    model = _XLNet(source, builder)
    vocabulary: int = source.config["vocab_size"]
    entry = builder.apply("lm.input", "same", model.hidden())
    tied = source.config.get("tie_word_embeddings") is not False
    table = source.weights.one_of(model.words, "lm_loss.weight", tied=tied)
    source.weights.check_shape(table, (vocabulary, model.width))
    source.weights.check_shape("lm_loss.bias", (vocabulary,))
    logits = builder.dense("logits.lm", entry, table, "lm_loss.bias")
    builder.output("logits", logits, ("batch", "sequence", vocabulary))


def _classifier(source: Source, builder: Builder) -> None:
    model = _XLNet(source, builder)
    model.logits("logits.classifier", model.summary(model.hidden()), "logits_proj", "logits")


def _spans(source: Source, builder: Builder) -> None:
    model = _XLNet(source, builder)
    source.weights.check_shape("qa_outputs.bias", (2,))
    both = model.logits("logits.qa", model.hidden(), "qa_outputs")
    for index, name in enumerate(("start_logits", "end_logits")):
        builder.output(name, builder.channel(f"logits.qa.{index}", both, index), ("batch", "sequence"))


TEXTS: Mapping[str, Text] = {
    "XLNetModel": _model,
    "XLNetLMHeadModel": _lm,
    "XLNetForSequenceClassification": _classifier,
    "XLNetForMultipleChoice": _classifier,
    "XLNetForQuestionAnsweringSimple": _spans,
}
"""Multiple choice: every choice is a row of its own, with one score."""
