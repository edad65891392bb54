"""The corpus of a Transformer-XL: one table per chapter of the catalogue."""

from __future__ import annotations

from parity.faults.shared import silent
from parity.faults.shared.bundle import big_endian, damaged
from parity.faults.shared.masks import EARLY, LATE
from parity.faults.shared.numerics import STALE, exported, kernel, numerics
from parity.faults.transfo_xl import computing, naming, tokens, turning
from parity.faults.transfo_xl.tensors import WIDE

_PREFIX = "model.ckpt"

FAULTS = (
    *damaged(_PREFIX),
    big_endian(_PREFIX),
    *naming.FAULTS,
    *turning.FAULTS,
    *computing.FAULTS,
    LATE,
    EARLY,
    *tokens.FAULTS,
    *numerics(products="embeddings", bf16=("low-precision-weights",)),
    *kernel(f"{WIDE}.weight", "ff/layer_1"),
    *exported(),
    STALE,
    *silent.FAULTS,
)

ELSEWHERE = {
    "R-02, R-04": "optimizers of BERT's and of Grover's training",
    "R-08, R-09, R-10": "OpenAI GPT's NumPy chunks",
    "R-14": "tables of clusters, which have a row for each word",
    "N-03, N-04, N-05": "task heads, which these checkpoints have none of",
    "N-08, N-09": "XLNet's heads and its misspelt summary",
    "N-17, N-18": "tied by its classes without exception: the artifact has no tensor that could be another",
    "N-19": "ALBERT's names",
    "N-20": "scopes of other graphs: BERT's and GPT-2's rows",
    "T-02": "GPT-2's Conv1D",
    "T-04": "XLNet's kernels",
    "C-02, C-03, C-04": "activations of ALBERT, XLNet and BERT",
    "K-02, K-03, K-04": "text that BERT lower-cases and strips of marks; words are kept here",
    "K-07, K-12": "BERT's special ids and normaliser",
    "K-08": "OpenAI GPT's tokenizer",
    "K-09, K-10, K-11": "XLNet's tokenizer and padding",
    "M-01, M-02, M-03, M-04, M-05, M-10": "masks and token types, which the original has none of",
    "M-12": "a table of positions, which there is none of",
    "U-01": "dropout, which its classes leave out",
    "U-09": "dynamic int8 of these classes: no layer of theirs is asked for it",
}
"""Numbers of the catalogue that are no fault of a Transformer-XL."""
