"""What GPT and GPT-2 have in common, as parts of a text: fused projections, causal attention, feed-forward, LM head.

Kernels are transformers' `Conv1D`: stored [in,out], queries, keys and values side by side.
"""

from __future__ import annotations

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_export import Source


class Causal:
    """One folder's causal transformer, drawn with one builder."""

    hidden_score = -1e10
    """What the score of a later token becomes. transformers has other numbers; by all of them the softmax is 0."""

    def __init__(self, source: Source, builder: Builder, *, base: str, activation: str, inner: int) -> None:
        self.weights, self.draw, self.config = source.weights, builder, source.config
        self.width: int = self.config["n_embd"]
        self.heads: int = self.config["n_head"]
        self.base, self.activation, self.inner = base, activation, inner

    def table(self, name: str, rows: str) -> str:
        """Name of an embedding table, [config[rows], C], its shape checked."""
        self.weights.check_shape(self.base + name, (self.config[rows], self.width))
        return self.base + name

    def dense(self, name: str, x: Value, scope: str, shape: tuple[int, int]) -> Value:
        """A dense layer, its weight [in,out] checked first."""
        self.weights.check_shape(f"{scope}.weight", shape)
        self.weights.check_shape(f"{scope}.bias", shape[1:])
        return self.draw.dense(name, x, f"{scope}.weight", f"{scope}.bias", turned=True)

    def norm(self, name: str, x: Value, scope: str) -> Value:
        """A layer norm."""
        for part in ("weight", "bias"):
            self.weights.check_shape(f"{scope}.{part}", (self.width,))
        return self.draw.norm(name, x, f"{scope}.weight", f"{scope}.bias", self.config["layer_norm_epsilon"])

    def causal(self, start: Value | int, length: Value) -> Value:
        """Which positions a token sees: all up to its own, start + i for the i-th; [T,start+T]."""
        draw = self.draw
        stop = length if isinstance(start, int) else draw.combine("attention.stop", "add", start, length)
        own = draw.reshape("attention.queries", draw.count("attention.own", start, stop), (-1, 1))
        later = draw.combine("attention.later", "greater", draw.count("attention.keys", 0, stop), own)
        return draw.apply("attention.seen", "not", later)

    def projected(self, tap: str, x: Value, scope: str) -> tuple[Value, Value, Value]:
        """Queries, keys and values, [B,T,C] each."""
        fused = self.dense(f"{tap}.attention.projection", x, f"{scope}.attn.c_attn", (self.width, 3 * self.width))
        query, key, value = (
            self.draw.slice(f"{tap}.attention.{name}", fused, 2, number * self.width, (number + 1) * self.width)
            for number, name in enumerate(("query", "key", "value"))
        )
        return query, key, value

    def parted(self, name: str, x: Value) -> Value:
        """[B,T,C] as [B,heads,T,d]."""
        return self.draw.split(name, x, self.heads, self.width // self.heads, (0, 2, 1, 3))

    def attention(self, tap: str, scope: str, parts: tuple[Value, Value, Value], scale: float, seen: Value) -> Value:
        """Attention over queries, keys and values [B,heads,*,d], and the dense layer behind it: [B,T,C]."""
        draw, at = self.draw, f"{tap}.attention"
        query, keys, values = parts
        products = draw.matmul(f"{at}.products", query, draw.transpose(f"{at}.turned_keys", keys, (0, 1, 3, 2)))
        scaled = draw.scale(f"{at}.scaled", products, scale)
        probs = draw.softmax(f"{at}.probs", draw.choose(f"{at}.scores", seen, scaled, self.hidden_score))
        context = draw.merge(f"{at}.context", draw.matmul(f"{at}.mixed", probs, values), self.width)
        return self.dense(f"{at}.output", context, f"{scope}.attn.c_proj", (self.width, self.width))

    def feed_forward(self, tap: str, x: Value, scope: str) -> Value:
        """Two dense layers, the activation between them: [B,T,C]."""
        wide = self.dense(f"{tap}.wide", x, f"{scope}.mlp.c_fc", (self.width, self.inner))
        active = self.draw.activate(f"{tap}.intermediate", wide, self.activation)
        return self.dense(f"{tap}.output", active, f"{scope}.mlp.c_proj", (self.inner, self.width))

    def lm(self, hidden: Value, table: str) -> None:
        """Vocabulary logits of every token, [B,T,V], by the table of words unless the folder has another; shipped."""
        entry = self.draw.apply("lm.input", "same", hidden)
        kernel = self.weights.one_of(
            self.table(table, "vocab_size"), "lm_head.weight", tied=self.config.get("tie_word_embeddings") is not False
        )
        self.weights.check_shape(kernel, (self.config["vocab_size"], self.width))
        logits = self.draw.dense("logits.lm", entry, kernel, None)
        self.draw.output("logits", logits, ("batch", "sequence", self.config["vocab_size"]))
