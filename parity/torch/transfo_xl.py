"""Transformer-XL in PyTorch: the computation of the original, under the names of the class that transformers had.

Where that class computed something else, this one follows the original (kimiyoung/transformer-xl, tf/model.py): the
LayerNorm epsilon of the config, `same_length` without the extra token, tail clusters in their order, zero memories in
front of the first segment. Inference only: there is no dropout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import nn

from parity.errors import ParityError
from parity.torch.pretrained import PREFIX, Pretrained, TransfoXLConfig, TransfoXLOutput
from parity.torch.transfo_xl_parts import Embedding, Layer, Softmax
from parity.torch.weights import blank


class TransfoXLModel(Pretrained):
    """The bare model. New parameters are NaN until weights are loaded: nothing is initialised at random."""

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__()
        self.config, self.numbers = config, config.numbers
        numbers = config.numbers
        self.word_emb = Embedding(numbers)
        shape = (numbers.heads, numbers.d_head)
        if not numbers.untie_r:
            self.r_w_bias, self.r_r_bias = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape))
        shared = (None, None) if numbers.untie_r else (self.r_w_bias, self.r_r_bias)
        self.layers = nn.ModuleList(Layer(numbers, *shared) for _ in range(numbers.layers))
        blank(self)

    @property
    def base_model(self) -> Self:
        """Itself."""
        return self

    def named(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The file's tensors under this class's names, with or without the language model around them."""
        plain = super().named(weights)
        if any(name.startswith(PREFIX) for name in plain):
            # A language model's directory: the bare model leaves its softmax behind.
            plain = {n.removeprefix(PREFIX): weight for n, weight in plain.items() if not n.startswith("crit.")}
        return plain

    def init_mems(self, rows: int) -> list[torch.Tensor]:
        """Zeros as the original feeds them with the first segment: one [mem_len,B,D] for each layer."""
        shape = (self.numbers.mem_len, rows, self.numbers.hidden_size)
        return [torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in self.layers]

    def forward(
        self,
        input_ids: torch.Tensor,
        mems: Sequence[torch.Tensor] | None = None,
        *,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        return_dict: bool | None = None,
    ) -> TransfoXLOutput | tuple[Any, ...]:
        """One segment.

        Args:
            input_ids: [B,T].
            mems: one [M,B,D] for each layer, as the segment before handed them on. None: the first segment, in front of
                which the original puts zeros; they are attended to. Empty: no memory (the original's `mems=None`).
            output_hidden_states: hand on embeddings and layers.
            output_attentions: hand on attention weights.
            return_dict: False for a tuple.

        Raises:
            ParityError: memories of another number than there are layers.
        """
        held = self.init_mems(len(input_ids)) if mems is None else list(mems)
        if len(held) not in (0, len(self.layers)):
            raise ParityError("one memory for each layer", got=len(held), expected=len(self.layers))
        x = self.word_emb(input_ids.t())
        memory = len(held[0]) if held else 0
        positions, mask = self._positions(len(x) + memory, x), self._mask(len(x), memory, x)
        states, weights, handed_on = [x], list[torch.Tensor](), list[torch.Tensor]()
        for i, layer in enumerate(self.layers):
            handed_on.append(self._remember(x, held[i] if held else None))
            x, probs = layer(x, positions, mask, held[i] if held else None)
            states.append(x)
            weights.append(probs)
        found = TransfoXLOutput(
            last_hidden_state=x.transpose(0, 1),
            mems=handed_on,
            hidden_states=tuple(state.transpose(0, 1) for state in states) if output_hidden_states else None,
            attentions=tuple(weights) if output_attentions else None,
        )
        return found.to_tuple() if return_dict is False else found

    def _positions(self, seen: int, like: torch.Tensor) -> torch.Tensor:
        """Sinusoids of the distances, farthest first [J,D], rounded where the original rounds."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        distances = torch.arange(seen - 1, -1, -1.0, dtype=dtype, device=like.device)
        if self.numbers.clamp_len > 0:
            distances = distances.clamp(max=self.numbers.clamp_len)
        size = self.numbers.hidden_size
        exponents = torch.arange(0, size, 2.0, dtype=dtype, device=like.device) / size
        frequencies = 1 / torch.pow(10000.0, exponents.double()).to(dtype)
        angles = distances[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1).to(like.dtype)

    def _mask(self, length: int, memory: int, like: torch.Tensor) -> torch.Tensor:
        """1 where a position must not look [T,J]."""
        ones = torch.ones(length, memory + length, dtype=like.dtype, device=like.device)
        mask = ones.triu(1 + memory)
        return mask + ones.tril(-1) if self.numbers.same_length else mask

    def _remember(self, x: torch.Tensor, memory: torch.Tensor | None) -> torch.Tensor:
        if memory is None:
            return x.detach()
        if self.numbers.mem_len == 0:
            return memory
        return torch.cat([memory, x])[-self.numbers.mem_len :].detach()


class TransfoXLLMHeadModel(Pretrained):
    """The language model: log-probabilities over the whole vocabulary behind each position."""

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = TransfoXLModel(config)
        self.crit = Softmax(config.numbers, self.transformer.word_emb)
        blank(self)

    def named(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The file's tensors under this class's names; a bare model's lack the softmax, and `fill` says so."""
        plain = super().named(weights)
        whole = any(name.startswith((PREFIX, "crit.")) for name in plain)
        return plain if whole else {f"{PREFIX}{name}": weight for name, weight in plain.items()}

    @property
    def base_model(self) -> TransfoXLModel:
        """The bare model."""
        return self.transformer

    def init_mems(self, rows: int) -> list[torch.Tensor]:
        """As `TransfoXLModel.init_mems`."""
        return self.transformer.init_mems(rows)

    def forward(
        self,
        input_ids: torch.Tensor,
        mems: Sequence[torch.Tensor] | None = None,
        labels: torch.Tensor | None = None,
        *,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        return_dict: bool | None = None,
    ) -> TransfoXLOutput | tuple[Any, ...]:
        """One segment; as `TransfoXLModel.forward`.

        Args:
            input_ids: [B,T].
            mems: as there.
            labels: [B,T], shifted inside: position t predicts label t + 1; -100 is left out.
            output_hidden_states: as there.
            output_attentions: as there.
            return_dict: as there.
        """
        found: TransfoXLOutput = self.transformer(
            input_ids, mems, output_hidden_states=output_hidden_states, output_attentions=output_attentions
        )
        found.prediction_scores = self.crit(found.last_hidden_state)
        if labels is not None:
            wanted = labels[:, 1:]
            scores = found.prediction_scores[:, :-1].gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
            found.losses = -scores * (wanted != -100)
            found.loss = found.losses.sum() / (wanted != -100).sum()
        return found.to_tuple() if return_dict is False else found
