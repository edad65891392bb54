"""The corpus of an XLNet: what the catalogue says of it, put into source, Hugging Face directory and tokenizer."""

from __future__ import annotations

from parity.faults.shared import silent
from parity.faults.shared.bundle import big_endian, damaged
from parity.faults.shared.masks import CONTROLS, EARLY, LATE
from parity.faults.shared.numerics import STALE, exported, kernel, numerics
from parity.faults.xlnet import computing, naming, reading, states, tensors, tokens

_PREFIX = "xlnet_model.ckpt"

FAULTS = (
    *damaged(_PREFIX),
    big_endian(_PREFIX),
    *reading.FAULTS,
    *naming.FAULTS,
    *tensors.FAULTS,
    *computing.FAULTS,
    *states.FAULTS,
    *CONTROLS,
    LATE,
    EARLY,
    *tokens.FAULTS,
    *(fault for fault in numerics(products="layer.0") if fault.name != "R-11/half"),
    *kernel(f"{naming.WIDE}.weight", "ff/layer_1"),
    *(fault for fault in exported() if fault.id == "X-01"),
    STALE,
    *silent.FAULTS,
)

ELSEWHERE = {
    "R-02, R-04": "optimizers of BERT's and of Grover's training",
    "R-08, R-09, R-10": "OpenAI GPT's NumPy chunks",
    "N-03, N-04, N-05, N-08": "task heads, which the stand-in has none of: held by tests",
    "N-10, N-11": "Transformer-XL's cutoffs",
    "N-17, N-18": "transformers ties the table whatever the file says, and the bias is N-15",
    "N-19": "ALBERT's names",
    "N-20": "scopes of other graphs: BERT's and GPT-2's rows",
    "T-01, T-03": "plain dense kernels, none of them square, and fused ones: BERT's and GPT-2's rows",
    "T-02": "GPT-2's Conv1D",
    "T-07, T-08, T-09": "Transformer-XL's adaptive softmax and scaled embeddings",
    "C-01, C-04": "BERT's two eras of GELU; what this config says is C-03",
    "C-02": "ALBERT's activation",
    "C-05": "Transformer-XL's epsilon",
    "C-10": "a table of positions, which there is none of",
    "K-01, K-02, K-03, K-04, K-05, K-06, K-07, K-08, K-12, K-13": "other vocabularies",
    "M-03, M-05, M-09, M-10": "in the corpus of BERT; rows are padded on their left by the source itself",
    "M-06": "causal masks",
    "M-12": "a table of positions, which there is none of",
    "X-02, X-04": "exported graphs, which have no second stream: on BERT and the GPTs",
    "U-09": "in the corpus of BERT: no matter of the architecture",
}
"""Numbers of the catalogue that are no fault of an XLNet, or are tried on another."""
