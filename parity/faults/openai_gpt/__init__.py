"""The corpus of an OpenAI GPT: one table per chapter of the catalogue."""

from parity.faults.openai_gpt import computing, naming, reading, tokens

FAULTS = (*reading.FAULTS, *naming.FAULTS, *computing.FAULTS, *tokens.FAULTS)

ELSEWHERE = {
    "R-01, R-02, R-03, R-04, R-05, R-06, R-07, R-12, R-13, R-14": "TensorFlow checkpoints",
    "R-08": "names that the converter makes itself: held by tests",
    "R-11": "half precision, which these files do not have",
    "N-01, N-03, N-04, N-05, N-07, N-08, N-09, N-10, N-11, N-19, N-20, N-21": "names in TensorFlow's graphs",
    "N-13, N-14, N-17, N-18": "in the corpus of BERT: no matter of the architecture",
    "T-01, T-04, T-05, T-06, T-07, T-08, T-09": "dense kernels of BERT, XLNet and Transformer-XL",
    "C-02, C-03, C-04, C-05, C-09, C-10": "settings that this model does not have",
    "K-01, K-02, K-03, K-04, K-05, K-06, K-07, K-09, K-10, K-11, K-12, K-13": "other vocabularies",
    "M-01, M-02, M-03, M-04, M-05, M-06, M-07, M-08, M-09, M-10, M-11, M-13": "masks, token types, memory: none",
    "U-01, U-02, U-03, U-04, U-06, U-09": "in the corpus of BERT: no matter of the architecture",
    "X-01, X-02, X-04": "in the corpus of BERT: no matter of the architecture",
    "P-02, P-09": "in the corpus of BERT: no matter of the architecture",
}
"""Numbers of the catalogue that are no fault of an OpenAI GPT, or are tried on another."""
