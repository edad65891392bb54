"""What a GPT-2's own tensors are called, beside those of `parity.faults.gpt.names`."""

from __future__ import annotations

from typing import Final

FINAL_NORM: Final = "transformer.ln_f"
WORDS: Final = "transformer.wte.weight"
POSITIONS: Final = "transformer.wpe.weight"
