"""The corpus of a GPT-2: what it has in common with GPT, and its own container, past and byte pairs."""

from __future__ import annotations

from parity.faults.gpt import config, masks
from parity.faults.gpt import naming as common_naming
from parity.faults.gpt import turning as common_turning
from parity.faults.gpt.names import GPT2, WIDE
from parity.faults.gpt.reading import loaded
from parity.faults.gpt.tokens import tokens
from parity.faults.gpt2 import computing, naming, own, past, turning
from parity.faults.shared import silent
from parity.faults.shared.bundle import big_endian, damaged
from parity.faults.shared.numerics import STALE, exported, kernel, numerics

_PREFIX = "model.ckpt"

FAULTS = (
    *own.FAULTS,
    *damaged(_PREFIX),
    big_endian(_PREFIX),
    *loaded(GPT2),
    *naming.FAULTS,
    *common_naming.naming(GPT2),
    *turning.FAULTS,
    *common_turning.turning(GPT2),
    *computing.FAULTS,
    *config.FAULTS,
    *tokens(GPT2),
    *masks.FAULTS,
    *past.FAULTS,
    *numerics(products="layer.0"),
    *kernel(f"{WIDE}.weight", "mlp/c_fc"),
    *exported(),
    STALE,
    *silent.FAULTS,
)

ELSEWHERE = {
    "R-02": "DeepPavlov's optimizer, of BERT's training",
    "R-08, R-09, R-10": "OpenAI GPT's NumPy chunks",
    "N-01, N-03, N-04, N-05": "task heads, which GPT-2's checkpoints have none of; an unknown variable is R-01",
    "N-08, N-09": "XLNet's heads and its misspelt summary",
    "N-10, N-11": "Transformer-XL's cutoffs",
    "N-19": "ALBERT's names",
    "T-04, T-05, T-06": "XLNet's kernels and biases",
    "T-07, T-08, T-09": "Transformer-XL's adaptive softmax and scaled embeddings",
    "C-02": "ALBERT's activation",
    "C-03": "XLNet's activation",
    "C-05, C-09": "Transformer-XL's epsilon and memory",
    "K-02, K-03, K-04": "text that BERT lower-cases and strips of marks; bytes are kept here",
    "K-07, K-13": "special ids around a text, which GPT-2 has none of",
    "K-08": "OpenAI GPT's tokenizer",
    "K-09, K-10, K-11": "XLNet's tokenizer and padding",
    "K-12": "no normaliser that one way in could leave out",
    "M-01, M-02, M-03, M-04, M-05, M-10": "masks and token types, which the original has none of",
    "U-09": "layers whose dynamic int8 PyTorch offers: transformers' GPT-2 keeps convolutions",
}
"""Numbers of the catalogue that are no fault of a GPT-2."""
