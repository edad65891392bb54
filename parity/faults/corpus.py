"""The corpus by family, and which numbers of the catalogue it cannot have there, and why."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from importlib import import_module

from parity.errors import ParityError
from parity.faults.values import Fault

_FAMILIES: Mapping[str, str] = {"bert": "parity.faults.bert"}

ELSEWHERE: Mapping[str, str] = {
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
    "U-05": "a processor with AMX or AVX512-BF16, and an OpenVINO of 2024",
    "U-07, U-08, U-10": "no faults: the sound runs are these",
    "X-03": "an ONNX Runtime whose fusion is wrong; what it did is M-05",
    "X-05": "a flaw of another tool's validation, not of an artifact",
    "X-06": "a converter that shares memory with its source; ours reads files",
    "P-01, P-03, P-04, P-05, P-06, P-07, P-08, P-10": "spaCy packages and their versions: held by tests",
}
"""Numbers that are no fault of a BERT, or need what is not here."""


def corpus(family: str, only: str | None = None) -> tuple[Fault, ...]:
    """The faults of a family.

    Args:
        family: the architecture.
        only: glob over names such as `T-01/query`, or over numbers.

    Raises:
        ParityError: no corpus for this family, or a glob that meets nothing.
    """
    if family not in _FAMILIES:
        raise ParityError(f"there is no corpus of faults for {family}", expected=f"one of {', '.join(_FAMILIES)}")
    faults: Sequence[Fault] = import_module(_FAMILIES[family]).FAULTS
    chosen = tuple(fault for fault in faults if only is None or _meets(fault, only))
    if not chosen:
        raise ParityError("no fault has such a name", got=only, remedy="try a number such as 'T-01' or '[RN]-*'")
    return chosen


def _meets(fault: Fault, only: str) -> bool:
    return fnmatch.fnmatchcase(fault.name, only) or fnmatch.fnmatchcase(fault.id, only)
