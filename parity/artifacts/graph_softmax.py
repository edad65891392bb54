"""Transformer-XL's adaptive embedding and softmax, as parts of a text.

Follows `mask_adaptive_embedding_lookup` and `mask_adaptive_logsoftmax` of the original's `tf/model.py`
(https://github.com/kimiyoung/transformer-xl, 44781ed). A cluster of rarer words has a narrower table; the softmax
first chooses among the frequent words and one entry for each cluster, then inside that cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_export import Weights


class Clusters:
    """One folder's clusters of words, drawn with one builder."""

    def __init__(self, weights: Weights, builder: Builder, config: Mapping[str, Any], base: str) -> None:
        self.weights, self.draw, self.config, self.base = weights, builder, config, base
        self.bounds = list(pairwise((0, *config["cutoffs"], config["vocab_size"])))
        self.split: bool = config["div_val"] > 1
        """Has every cluster its own table?"""
        share = config.get("proj_share_all_but_first", True)
        self.tied = config.get("tie_projs") or [False, *(share for _ in config["cutoffs"])]

    def embedded(self, ids: Value) -> Value:
        """Every word's row, projected to the model's width: [B,T,C]."""
        draw = self.draw
        summed = None
        for k, (first, end) in enumerate(self.bounds if self.split else [(0, self.config["vocab_size"])]):
            name = f"embeddings.{k}"
            mine = draw.combine(f"{name}.from", "greater", ids, first - 1)
            if k + 1 < len(self.bounds) and self.split:  # what is behind the last one is left to the lookup
                mine = draw.combine(f"{name}.mine", "and", mine, draw.combine(f"{name}.to", "less", ids, end))
            place = draw.choose(f"{name}.place", mine, draw.combine(f"{name}.ids", "subtract", ids, first), 0)
            rows = draw.lookup(f"{name}.rows" if self._wide(k) else name, self._table(k), place)
            if self._wide(k):
                rows = draw.dense(name, rows, self._projection(k), None)
            alone = draw.choose(f"{name}.alone", draw.reshape(f"{name}.wide", mine, (0, 0, 1)), rows, 0.0)
            summed = alone if summed is None else draw.add(f"{name}.sum", summed, alone)
        return summed

    def log_probs(self, hidden: Value) -> Value:
        """Log-probabilities of the whole vocabulary, in its order: [B,T,V]."""
        draw, (_, frequent) = self.draw, self.bounds[0]
        if len(self.bounds) == 1:
            logits = self._logits("log_probs.0.logits", 0, self._narrowed(0, hidden))
            return draw.apply("log_probs", "log_softmax", logits)
        narrow = self._narrowed(0, hidden)
        count, width = len(self.bounds) - 1, self._width(0)
        self.weights.check_shape("crit.cluster_weight", (count, width))
        self.weights.check_shape("crit.cluster_bias", (count,))
        clusters = draw.dense("softmax.clusters", narrow, "crit.cluster_weight", "crit.cluster_bias")
        words = self._logits("softmax.words", 0, narrow)
        logits = draw.concat("log_probs.0.logits", (words, clusters), 2)
        head = draw.apply("softmax.head", "log_softmax", logits)
        parts = [draw.slice("softmax.frequent", head, 2, 0, frequent)]
        for k in range(1, len(self.bounds)):
            name = f"softmax.{k}"
            logits = self._logits(f"log_probs.{k}.logits", k, self._narrowed(k, hidden))
            inside = draw.apply(f"{name}.inside", "log_softmax", logits)
            entry = draw.slice(f"{name}.entry", head, 2, frequent + k - 1, frequent + k)
            parts.append(draw.add(f"{name}.log_probs", inside, entry))
        return draw.concat("log_probs", parts, 2)

    def _logits(self, name: str, k: int, narrow: Value) -> Value:
        """Logits of cluster k's words from the hidden state in its width."""
        draw, (first, end) = self.draw, self.bounds[k]
        own = k if self.split else 0
        tied = self.config.get("tie_word_embeddings") is not False
        table = self.weights.one_of(self._table(own), f"crit.out_layers.{own}.weight", tied=tied)
        bias = f"crit.out_layers.{own}.bias"
        rows = end - first if self.split else self.config["vocab_size"]
        self.weights.check_shape(table, (rows, self._width(k)))
        self.weights.check_shape(bias, (rows,))
        if self.split or len(self.bounds) == 1:
            return draw.dense(name, narrow, table, bias)
        kernel = draw.slice(f"{name}.kernel", draw.weight(table), 0, first, end)
        product = draw.matmul(f"{name}.product", narrow, draw.transpose(f"{name}.turned", kernel, (1, 0)))
        return draw.add(name, product, draw.slice(f"{name}.bias", draw.weight(bias), 0, first, end))

    def _narrowed(self, k: int, hidden: Value) -> Value:
        """The hidden state in cluster k's width: by the embedding's projection turned round, or by one of its own."""
        name = f"log_probs.{k}.input"
        if not self._wide(k):
            return self.draw.apply(name, "same", hidden)
        own = f"crit.out_projs.{k}"
        # Without clusters the original has only the embedding's.
        shared = self.tied[k] or (len(self.bounds) == 1 and own not in self.weights)
        weight = self.weights.one_of(self._projection(k if self.split else 0), own) if shared else own
        self.weights.check_shape(weight, (self.config["d_model"], self._width(k)))
        return self.draw.dense(name, hidden, weight, None, turned=True)

    def _width(self, k: int) -> int:
        width: int = self.config["d_embed"] // (self.config["div_val"] ** k)
        return width

    def _wide(self, k: int) -> bool:
        """Is cluster k projected?"""
        other = self._width(k) != self.config["d_model"]
        return other or (self.split and self.config.get("proj_same_dim", True))

    def _table(self, k: int) -> str:
        first, end = self.bounds[k] if self.split else (0, self.config["vocab_size"])
        name = f"{self.base}word_emb.emb_layers.{k}.weight"
        self.weights.check_shape(name, (end - first, self._width(k)))
        return name

    def _projection(self, k: int) -> str:
        name = f"{self.base}word_emb.emb_projs.{k}"
        self.weights.check_shape(name, (self.config["d_model"], self._width(k)))
        return name
