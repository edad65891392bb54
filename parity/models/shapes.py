"""How stand-ins of each architecture look: the head that was published, and what the smaller scales override."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Scale: TypeAlias = Literal["full", "small", "tiny"]


@dataclass(frozen=True)
class Shapes:
    """`head` is the published one; `scales` override the config of a card."""

    head: str
    scales: Mapping[Scale, Mapping[str, Any]]


# More than ten layers at `small`: only then do layers taken in the order of their names' letters show.
SHAPES: Mapping[str, Shapes] = {
    "bert": Shapes(
        head="pretraining",
        scales={
            "full": {},
            "small": {
                "num_hidden_layers": 12,
                "hidden_size": 128,
                "num_attention_heads": 4,
                "intermediate_size": 512,
                "max_position_embeddings": 512,
                "vocab_size": 4000,
            },
            "tiny": {
                "num_hidden_layers": 2,
                "hidden_size": 32,
                "num_attention_heads": 2,
                "intermediate_size": 64,
                "max_position_embeddings": 64,
                "vocab_size": 1200,
            },
        },
    ),
    "gpt2": Shapes(
        head="lm",
        scales={
            "full": {},
            "small": {"n_layer": 12, "n_embd": 128, "n_head": 4, "n_ctx": 256, "n_vocab": 2000},
            "tiny": {"n_layer": 2, "n_embd": 32, "n_head": 2, "n_ctx": 64, "n_vocab": 600},
        },
    ),
    "openai-gpt": Shapes(
        head="lm",
        scales={
            "full": {},
            "small": {"n_layer": 12, "n_embd": 128, "n_head": 4, "n_ctx": 256, "n_vocab": 2000},
            "tiny": {"n_layer": 2, "n_embd": 32, "n_head": 2, "n_ctx": 64, "n_vocab": 1000},
        },
    ),
    "transfo-xl": Shapes(
        head="lm",
        scales={
            "full": {},
            "small": {
                "n_layer": 12,
                "d_model": 128,
                "d_embed": 128,
                "n_head": 4,
                "d_head": 32,
                "d_inner": 256,
                "n_token": 3000,
                "cutoffs": [300, 900, 2000],
                "tgt_len": 64,
                "mem_len": 48,
                "clamp_len": 80,
            },
            "tiny": {
                "n_layer": 2,
                # The fourth cluster is 64 times as narrow as the first.
                "d_model": 64,
                "d_embed": 64,
                "n_head": 4,
                "d_head": 16,
                "d_inner": 64,
                "n_token": 600,
                "cutoffs": [60, 150, 300],
                "tgt_len": 32,
                "mem_len": 16,
                "clamp_len": 24,
            },
        },
    ),
    "xlnet": Shapes(
        head="lm",
        scales={
            "full": {},
            "small": {
                "n_layer": 12,
                "d_model": 128,
                "n_head": 4,
                "d_head": 32,
                "d_inner": 256,
                "n_token": 2000,
                "mem_len": 48,
                "max_seq_length": 128,
            },
            "tiny": {
                "n_layer": 2,
                "d_model": 32,
                "n_head": 2,
                "d_head": 16,
                "d_inner": 64,
                "n_token": 1200,
                "mem_len": 16,
                "max_seq_length": 64,
            },
        },
    ),
}
