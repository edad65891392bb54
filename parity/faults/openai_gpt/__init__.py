"""The corpus of an OpenAI GPT: its chunks and words, and what it has in common with GPT-2."""

from __future__ import annotations

from parity.faults.gpt import config, masks
from parity.faults.gpt import naming as common_naming
from parity.faults.gpt import turning as common_turning
from parity.faults.gpt.names import GPT, WIDE
from parity.faults.gpt.reading import loaded
from parity.faults.gpt.tokens import tokens as common_tokens
from parity.faults.openai_gpt import computing, naming, reading, tokens
from parity.faults.shared import silent
from parity.faults.shared.numerics import STALE, exported, kernel, numerics

FAULTS = (
    *reading.FAULTS,
    *loaded(GPT),
    *naming.FAULTS,
    *common_naming.naming(GPT),
    *common_turning.turning(GPT),
    *computing.FAULTS,
    *config.FAULTS,
    *tokens.FAULTS,
    *common_tokens(GPT),
    *masks.FAULTS,
    *numerics(products="layer.0"),
    *kernel(f"{WIDE}.weight", "mlp/c_fc"),
    *exported(),
    STALE,
    *silent.FAULTS,
)

ELSEWHERE = {
    "R-02, R-03, R-04, R-05, R-06, R-07, R-13": "TensorFlow checkpoints: names, slots, scalars, bundles",
    "R-08": "names that the converter makes itself: held by tests",
    "N-01, N-03, N-04, N-05, N-08, N-09, N-10, N-11, N-19, N-20, N-21": "names, which these files have none of",
    "T-04, T-05, T-06, T-07, T-08, T-09": "kernels of XLNet and Transformer-XL",
    "C-02, C-03, C-05, C-09": "settings that this model does not have",
    "K-01, K-02, K-03, K-04, K-07, K-09, K-10, K-11, K-12, K-13": "other vocabularies; what text becomes is K-08",
    "M-01, M-02, M-03, M-04, M-05, M-10, M-11": "masks, token types, memory: none",
    "U-01": "dropout left on, on BERT and GPT-2",
    "U-09": "layers whose dynamic int8 PyTorch offers: transformers' GPT keeps convolutions",
}
"""Numbers of the catalogue that are no fault of an OpenAI GPT, or are tried on another."""
