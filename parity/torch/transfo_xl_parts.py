"""The parts of Transformer-XL in PyTorch, under the parameter names that transformers gave them.

Written from kimiyoung/transformer-xl, tf/model.py. Time-major, as there: [T,B,...].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from parity.families.transfo_xl.numbers import TransfoXLConfig as Numbers

_MASKED = 1e30


class Table(nn.Module):
    """One table of the embedding; `weight` [words, width]."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(words, width))


class Output(nn.Module):
    """One part of the softmax: the table it shares with the embedding, and its own `bias` [words]."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.bias = nn.Parameter(torch.empty(len(weight)))


class Embedding(nn.Module):
    """Adaptive embedding: each cluster's words in a table of its own width, projected to d_model."""

    def __init__(self, numbers: Numbers) -> None:
        super().__init__()
        self._numbers = numbers
        tables = enumerate(numbers.tables)
        self.emb_layers = nn.ModuleList(Table(end - first, numbers.width(k)) for k, (first, end) in tables)
        self.emb_projs = nn.ParameterDict(
            {
                str(k): nn.Parameter(torch.empty(numbers.hidden_size, numbers.width(k)))
                for k in range(len(numbers.tables))
                if numbers.embedding_projected(k)
            }
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[...] -> [..., D], times sqrt(D)."""
        total: Any = 0
        for k, ((first, end), table) in enumerate(zip(self._numbers.tables, self.emb_layers, strict=True)):
            inside = (ids >= first) & (ids < end)
            rows = functional.embedding(torch.where(inside, ids - first, 0), table.weight)
            if str(k) in self.emb_projs:
                rows = functional.linear(rows, self.emb_projs[str(k)])
            total = total + rows * inside[..., None].to(rows.dtype)
        embedded: torch.Tensor = total * self._numbers.hidden_size**0.5
        return embedded


class Softmax(nn.Module):
    """Log-probabilities of the whole vocabulary, in its order, from the adaptive softmax."""

    def __init__(self, numbers: Numbers, embedding: Embedding) -> None:
        super().__init__()
        self._numbers = numbers
        if numbers.cutoffs:
            self.cluster_weight = nn.Parameter(torch.empty(len(numbers.cutoffs), numbers.d_embed))
            self.cluster_bias = nn.Parameter(torch.empty(len(numbers.cutoffs)))
        self.out_layers = nn.ModuleList(Output(table.weight) for table in embedding.emb_layers)
        kinds = {k: numbers.softmax_projection(k) for k in range(len(numbers.clusters))}
        shared = {k: "0" if numbers.div_val == 1 else str(k) for k in kinds}
        self.out_projs = nn.ParameterDict(
            {
                str(k): embedding.emb_projs[shared[k]]
                if kind == "tied"
                else nn.Parameter(torch.empty(numbers.hidden_size, numbers.width(k)))
                for k, kind in kinds.items()
                if kind != "none"
            }
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., V]."""
        head = functional.log_softmax(self.logits(hidden, 0), dim=-1)
        words = self._numbers.clusters[0][1]
        parts = [head[..., :words]]
        for k in range(1, len(self._numbers.clusters)):
            entry = head[..., words + k - 1, None]
            parts.append(entry + functional.log_softmax(self.logits(hidden, k), dim=-1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """The same, under the name it had in transformers."""
        log_probs: torch.Tensor = self(hidden)
        return log_probs

    def logits(self, hidden: torch.Tensor, k: int) -> torch.Tensor:
        """Scores within cluster k; of the first also those of the other clusters, behind its words."""
        if str(k) in self.out_projs:
            hidden = functional.linear(hidden, self.out_projs[str(k)].t())
        first, end = self._numbers.clusters[k]
        single = self._numbers.div_val == 1
        part = self.out_layers[0 if single else k]
        weight, bias = (part.weight[first:end], part.bias[first:end]) if single else (part.weight, part.bias)
        words = functional.linear(hidden, weight, bias)
        if k or not self._numbers.cutoffs:
            return words
        return torch.cat([words, functional.linear(hidden, self.cluster_weight, self.cluster_bias)], dim=-1)


class Attention(nn.Module):
    """Attention over memory and segment with relative positions, and the norm behind it."""

    def __init__(self, numbers: Numbers, w_bias: nn.Parameter | None, r_bias: nn.Parameter | None) -> None:
        super().__init__()
        self._heads, self._size = numbers.heads, numbers.d_head
        model, inner = numbers.hidden_size, numbers.heads * numbers.d_head
        self.qkv_net = nn.utils.skip_init(nn.Linear, model, 3 * inner, bias=False)
        self.r_net = nn.utils.skip_init(nn.Linear, 2 * ((model + 1) // 2), inner, bias=False)
        self.o_net = nn.utils.skip_init(nn.Linear, inner, model, bias=False)
        self.layer_norm = nn.LayerNorm(model, eps=numbers.epsilon)
        shape = (numbers.heads, numbers.d_head)
        self.r_w_bias = nn.Parameter(torch.empty(shape)) if w_bias is None else w_bias
        self.r_r_bias = nn.Parameter(torch.empty(shape)) if r_bias is None else r_bias

    def forward(
        self, x: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, memory: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Output [T,B,D] and weights [B,N,T,J], J = memory and segment.

        Args:
            x: [T,B,D].
            positions: sinusoids of the distances, farthest first [J,D].
            mask: 1 where a position must not look [T,J].
            memory: [M,B,D] or None.
        """
        seen = x if memory is None else torch.cat([memory, x])
        query, key, value = (
            part.unflatten(-1, (self._heads, self._size)) for part in self.qkv_net(seen).chunk(3, dim=-1)
        )
        query = query[len(seen) - len(x) :]
        distances = self.r_net(positions).unflatten(-1, (self._heads, self._size))
        content = torch.einsum("ibnd,jbnd->bnij", query + self.r_w_bias, key)
        shifted = _shift(torch.einsum("ibnd,jnd->bnij", query + self.r_r_bias, distances))
        scores = (content + shifted) * (1 / self._size**0.5)
        # Half precision has no 1e30; its own lowest number does the same.
        lowest = min(_MASKED, torch.finfo(scores.dtype).max)
        probs = torch.softmax(scores * (1 - mask) - lowest * mask, dim=-1)
        mixed = torch.einsum("bnij,jbnd->ibnd", probs, value).flatten(2)
        return self.layer_norm(self.o_net(mixed) + x), probs


def _shift(x: torch.Tensor) -> torch.Tensor:
    """Row i moved left by T - 1 - i: [B,N,T,J]."""
    rows, heads, length, seen = x.shape
    padded = functional.pad(x, (1, 0)).reshape(rows, heads, seen + 1, length)
    return padded[:, :, 1:].reshape(rows, heads, length, seen)


class FeedForward(nn.Module):
    """Two linear layers with ReLU between, and the norm behind them."""

    def __init__(self, numbers: Numbers) -> None:
        super().__init__()
        model, inner = numbers.hidden_size, numbers.intermediate_size
        # The second and the last stand where transformers had ReLU and dropout: the names count them.
        self.CoreNet = nn.Sequential(
            nn.utils.skip_init(nn.Linear, model, inner),
            nn.ReLU(),
            nn.Identity(),
            nn.utils.skip_init(nn.Linear, inner, model),
            nn.Identity(),
        )
        self.layer_norm = nn.LayerNorm(model, eps=numbers.epsilon)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[T,B,D] -> [T,B,D]."""
        normed: torch.Tensor = self.layer_norm(self.CoreNet(x) + x)
        return normed


class Layer(nn.Module):
    """Attention, then the feed-forward part."""

    def __init__(self, numbers: Numbers, w_bias: nn.Parameter | None, r_bias: nn.Parameter | None) -> None:
        super().__init__()
        self.dec_attn = Attention(numbers, w_bias, r_bias)
        self.pos_ff = FeedForward(numbers)

    def forward(
        self, x: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, memory: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Attention.forward`."""
        attended, probs = self.dec_attn(x, positions, mask, memory)
        return self.pos_ff(attended), probs
