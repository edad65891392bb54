"""What XLNet and Transformer-XL have in common, as parts of a text: relative attention over a memory and new tokens.

Both papers' code (https://github.com/kimiyoung/transformer-xl, https://github.com/zihangdai/xlnet) is time-major; here
everything is batch-major. Distances run from the farthest down. The memory may be of length 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_export import Weights

_HIDDEN = -1e30


class Relative:
    """Parts of one folder's text, drawn with one builder."""

    def __init__(self, weights: Weights, builder: Builder, config: Mapping[str, Any], *, epsilon: float) -> None:
        self.weights, self.draw, self.config, self.epsilon = weights, builder, config, epsilon
        self.width: int = config["d_model"]
        self.heads: int = config["n_head"]
        self.size: int = config["d_head"]

    def memories(self) -> list[Value]:
        """Every layer's memory, [B,M,C], an input."""
        axes = ("batch", "memory", self.width)
        return [self.draw.state(f"mems.{k}", axes) for k in range(self.config["n_layer"])]

    def norm(self, name: str, x: Value, scope: str) -> Value:
        """A layer norm."""
        for part in ("weight", "bias"):
            self.weights.check_shape(f"{scope}.{part}", (self.width,))
        return self.draw.norm(name, x, f"{scope}.weight", f"{scope}.bias", self.epsilon)

    def dense(self, name: str, x: Value, scope: str, shape: tuple[int, int], *, bias: bool = True) -> Value:
        """A dense layer, its weight [out,in] checked first."""
        self.weights.check_shape(f"{scope}.weight", shape)
        if bias:
            self.weights.check_shape(f"{scope}.bias", shape[:1])
        return self.draw.dense(name, x, f"{scope}.weight", f"{scope}.bias" if bias else None)

    def feed_forward(self, tap: str, x: Value, scopes: tuple[str, str, str], activation: str) -> Value:
        """Two dense layers of scopes[:2], the residual, and the norm scopes[2]: [B,T,C]."""
        draw, wide = self.draw, self.config["d_inner"]
        inner = self.dense(f"{tap}.wide", x, scopes[0], (wide, self.width))
        active = draw.activate(f"{tap}.intermediate", inner, activation)
        output = self.dense(f"{tap}.output", active, scopes[1], (self.width, wide))
        return self.norm(tap, draw.add(f"{tap}.sum", output, x), scopes[2])

    def distances(self, start: Value, stop: Value | int, least: int | None) -> Value:
        """Sines and cosines of the distances start, start - 1, ..., stop + 1: [R,C].

        With `clamp_len`, farther ones count as that far; ones below `least` as `least`.
        """
        draw, clamp = self.draw, self.config["clamp_len"]
        far = draw.count("distances.whole", start, stop, -1)
        if clamp > 0:
            far = draw.combine("distances.clamped", "least", far, clamp)
            if least is not None:
                far = draw.combine("distances.bounded", "largest", far, least)
        frequencies = 10000.0 ** -(np.arange(0, self.width, 2) / self.width)
        column = draw.reshape("distances.column", draw.apply("distances", "float32", far), (-1, 1))
        angles = draw.combine(
            "distances.angles", "multiply", column, draw.constant("frequencies", frequencies.astype(np.float32))
        )
        waves = [draw.apply(f"distances.{kind}", kind, angles) for kind in ("sin", "cos")]
        return draw.concat("distances.waves", waves, 1)

    def places(self, memory: Value, length: Value) -> tuple[Value, Value]:
        """Places of the new tokens behind the memory, [T,1], and of everything that is attended to, [M+T]."""
        draw = self.draw
        stop = draw.combine("attention.stop", "add", memory, length)
        own = draw.reshape("attention.queries", draw.count("attention.own", memory, stop), (-1, 1))
        return own, draw.count("attention.keys", 0, stop)

    def causal(self, own: Value, keys: Value, memory: Value) -> Value:
        """Which places a token must not see: later ones and, with `same_length`, the memory's far end; [T,M+T]."""
        draw = self.draw
        later = draw.combine("attention.later", "greater", keys, own)
        if not self.config["same_length"]:
            return later
        first = draw.combine("attention.first", "subtract", own, memory)
        return draw.combine("attention.far", "or", later, draw.combine("attention.earlier", "less", keys, first))

    def hiding(self, hidden: Value) -> Value:
        """What is added to scores."""
        return self.draw.scale("attention_bias", self.draw.apply("attention.hidden", "float32", hidden), _HIDDEN)

    def parted(self, name: str, x: Value) -> Value:
        """[B,T,n*d] as [B,n,T,d]."""
        return self.draw.split(name, x, self.heads, self.size, (0, 2, 1, 3))

    def biased(self, name: str, query: Value, bias: str) -> Value:
        """Queries plus one of the biases [n,d], as [B,n,T,d]."""
        self.weights.check_shape(bias, (self.heads, self.size))
        wide = self.draw.reshape(f"{name}.wide", query, (0, 0, self.heads, self.size))
        return self.draw.transpose(name, self.draw.add(f"{name}.sum", wide, self.draw.weight(bias)), (0, 2, 1, 3))

    def content(self, name: str, query: Value, bias: str, keys: Value) -> Value:
        """Scores of content: queries plus bias times keys [B,n,K,d]; [B,n,T,K]."""
        turned = self.draw.transpose(f"{name}.keys", keys, (0, 1, 3, 2))
        return self.draw.matmul(name, self.biased(f"{name}.query", query, bias), turned)

    def position(self, name: str, query: Value, bias: str, distances: Value, keys: Value) -> Value:
        """Scores of distance: queries plus bias times distances [R,n*d], each row shifted to its own; [B,n,T,K].

        Behind row i the products with its nearest distance follow those of row i - 1, so that cutting all into rows
        that are one longer shifts each by one more: the papers' trick. `keys` [M+T] tells K.
        """
        draw = self.draw
        wide = draw.reshape(f"{name}.wide", distances, (0, self.heads, self.size))
        products = draw.matmul(
            f"{name}.products",
            self.biased(f"{name}.query", query, bias),
            draw.transpose(f"{name}.turned", wide, (1, 2, 0)),
        )
        rows, reach = draw.size(f"{name}.rows", products, 2), draw.size(f"{name}.reach", products, 3)
        cut = draw.reshape(f"{name}.cut", products, (0, 0, reach, rows))
        less = draw.combine(f"{name}.less", "subtract", reach, 1)
        shifted = draw.reshape(f"{name}.shifted", draw.slice(f"{name}.rest", cut, 2, 1, None), (0, 0, rows, less))
        return draw.slice(name, shifted, 3, 0, draw.size(f"{name}.seen", keys, 0))

    def attended(self, tap: str, summed: Value, hiding: Value, values: Value) -> Value:
        """Scores summed, scaled and masked, and the values [B,n,K,d] by their softmax: [B,T,n*d]."""
        draw, at = self.draw, f"{tap}.attention"
        scaled = draw.scale(f"{at}.scaled", summed, 1 / self.size**0.5)
        probs = draw.softmax(f"{at}.probs", draw.add(f"{at}.scores", scaled, hiding))
        return draw.merge(f"{at}.context", draw.matmul(f"{at}.mixed", probs, values), self.heads * self.size)

    def remember(self, k: int, seen: Value, *, start: Value | None = None) -> None:
        """Ship the new memory of layer k: what it has seen from `start` on, the last `mem_len` if there is none."""
        if self.config["mem_len"]:
            kept = self.draw.slice(f"new_mems.{k}", seen, 1, -self.config["mem_len"] if start is None else start, None)
            self.draw.output(f"new_mems.{k}", kept, ("batch", "new_memory", self.width))
