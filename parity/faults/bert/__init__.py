"""The corpus of a BERT: one table per chapter of the catalogue."""

from __future__ import annotations

from parity.faults.bert import config, export, masks, naming, numerics, reading, tokens, turning
from parity.faults.shared import silent

FAULTS = tuple(
    fault
    for chapter in (reading, naming, turning, config, tokens, masks, numerics, export, silent)
    for fault in chapter.FAULTS
)

ELSEWHERE = {
    "R-08, R-09, R-10": "OpenAI GPT's NumPy chunks",
    "N-08, N-09": "XLNet's heads and its misspelt summary",
    "N-10, N-11": "Transformer-XL's cutoffs",
    "N-19": "ALBERT's names",
    "T-02": "GPT-2's Conv1D",
    "T-04, T-05, T-06": "XLNet's kernels and biases",
    "T-07, T-08, T-09": "Transformer-XL's adaptive softmax and scaled embeddings",
    "C-02": "ALBERT's activation",
    "C-03": "XLNet's activation",
    "C-05, C-09": "Transformer-XL's epsilon and memory",
    "K-08": "OpenAI GPT's tokenizer",
    "K-09, K-10, K-11": "XLNet's tokenizer and padding",
    "M-06": "causal masks",
    "M-11": "memory between calls",
}
"""Numbers of the catalogue that are no fault of a BERT."""
