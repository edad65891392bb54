"""Transformer-XL's numbers: what its command line says, and which clusters, tables and projections follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from parity.families.values import Config

EPSILON = 1e-12
"""Fixed in tf.contrib.layers.layer_norm, which the original calls; it has no flag for it."""


@dataclass(frozen=True)
class TransfoXLConfig(Config):
    """The flags of kimiyoung/transformer-xl, tf/train_gpu.py.

    `hidden_size` is `d_model`, `heads` is `n_head`, `intermediate_size` is `d_inner`; `positions` is `tgt_len`, the
    longest row that inputs are made with: the graph itself takes any length.
    """

    d_embed: int
    d_head: int
    cutoffs: tuple[int, ...]
    """Where the vocabulary is cut into clusters, first to last, without 0 and the vocabulary's size."""
    div_val: int
    untie_r: bool
    """Has every layer its own biases of content and position?"""
    tie_projs: tuple[bool, ...]
    """Per cluster: does the softmax project with the embedding's matrix? False where that has none."""
    proj_same_dim: bool
    """Is a cluster whose width is `d_model` already projected all the same (asked of `div_val` above 1 only)?"""
    mem_len: int
    clamp_len: int
    """Distances beyond it count as it; 0 or less: every distance counts as itself."""
    same_length: bool

    @property
    def clusters(self) -> tuple[tuple[int, int], ...]:
        """First id and the id after the last of every cluster of the softmax."""
        return tuple(pairwise((0, *self.cutoffs, self.vocab_size)))

    @property
    def tables(self) -> tuple[tuple[int, int], ...]:
        """First id and the id after the last of every embedding table: one table where `div_val` is 1."""
        return ((0, self.vocab_size),) if self.div_val == 1 else self.clusters

    def width(self, k: int) -> int:
        """Columns of the table that cluster k is looked up in."""
        return width(self.d_embed, self.div_val, k)

    def embedding_projected(self, k: int) -> bool:
        """Does the embedding project cluster k?"""
        return embedding_projected(
            d_model=self.hidden_size, width=self.width(k), div_val=self.div_val, proj_same_dim=self.proj_same_dim
        )

    def softmax_projection(self, k: int) -> Literal["none", "tied", "own"]:
        """What projects the hidden state before cluster k's softmax: nothing, the embedding's matrix, or its own."""
        if not self.embedding_projected(k):
            return "none"
        return "tied" if self.tie_projs[k] else "own"


def width(d_embed: int, div_val: int, k: int) -> int:
    """d_embed // div_val ** k, without making the power of a number from a file."""
    for _ in range(k if div_val > 1 else 0):
        d_embed //= div_val
        if not d_embed:
            break
    return d_embed


def embedding_projected(*, d_model: int, width: int, div_val: int, proj_same_dim: bool) -> bool:
    """mask_adaptive_embedding_lookup's conditions: one for the single table, another for tables by cluster."""
    return d_model != width or (div_val > 1 and proj_same_dim)


def numbers(config: Config) -> TransfoXLConfig:
    """The config as this family's own.

    Raises:
        TypeError: another family's config, which is the caller's mistake.
    """
    if not isinstance(config, TransfoXLConfig):
        raise TypeError(f"{type(config).__name__} is no Transformer-XL config")
    return config
