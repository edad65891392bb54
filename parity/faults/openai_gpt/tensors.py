"""What an OpenAI GPT's own tensors are called, beside those of `parity.faults.gpt.names`."""

from __future__ import annotations

from typing import Final

WORDS: Final = "transformer.tokens_embed.weight"
POSITIONS: Final = "transformer.positions_embed.weight"
