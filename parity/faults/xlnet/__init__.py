"""The corpus of an XLNet: what the catalogue says of it, put into source, Hugging Face directory and tokenizer."""

from parity.faults.xlnet import computing, reading, tensors, tokens

FAULTS = (*reading.FAULTS, *tensors.FAULTS, *computing.FAULTS, *tokens.FAULTS)

ELSEWHERE = {
    "R-01, R-02, R-03, R-04, R-05, R-06, R-11, R-12, R-13, R-14": "in the corpus of BERT: how bundles are read",
    "R-08, R-09, R-10": "OpenAI GPT's NumPy chunks",
    "N-01, N-02, N-03, N-04, N-05, N-06, N-07": "in the corpus of BERT: no matter of the architecture",
    "N-08, N-09": "heads that the stand-in does not have: held by tests",
    "N-10, N-11": "Transformer-XL's cutoffs",
    "N-12, N-13, N-14, N-15, N-16, N-17, N-18, N-20, N-21": "in the corpus of BERT: no matter of the architecture",
    "N-19": "ALBERT's names",
    "T-01, T-03": "in the corpus of BERT: plain dense kernels",
    "T-02": "GPT-2's Conv1D",
    "T-07, T-08, T-09": "Transformer-XL's adaptive softmax and scaled embeddings",
    "C-01, C-04": "BERT's two eras of GELU; what this config says is C-03",
    "C-02": "ALBERT's activation",
    "C-05": "Transformer-XL's epsilon",
    "C-10": "in the corpus of BERT: there is no table of positions or segments",
    "K-01, K-02, K-03, K-04, K-05, K-06, K-07, K-08, K-12, K-13": "other vocabularies",
    "M-03, M-05, M-07, M-08, M-09, M-10, M-12, M-13": "in the corpus of BERT, or tables of positions",
    "M-06": "causal masks",
    "U-01, U-02, U-03, U-04, U-06, U-09": "in the corpus of BERT: no matter of the architecture",
    "X-01, X-02, X-04": "in the corpus of BERT: no matter of the architecture",
    "P-02, P-09": "in the corpus of BERT: no matter of the architecture",
}
"""Numbers of the catalogue that are no fault of an XLNet, or are tried on another."""
