"""The corpus by family, and which numbers of the catalogue it cannot have there, and why."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from parity.errors import ParityError
from parity.faults.values import Fault

_FAMILIES: Mapping[str, str] = {
    "bert": "parity.faults.bert",
    "gpt2": "parity.faults.gpt2",
    "openai-gpt": "parity.faults.openai_gpt",
    "transfo-xl": "parity.faults.transfo_xl",
    "xlnet": "parity.faults.xlnet",
}

NOWHERE: Mapping[str, str] = {
    "U-05": "a processor with AMX or AVX512-BF16, and an OpenVINO of 2024",
    "U-07, U-08, U-10": "no faults: the sound runs are these",
    "X-03": "an ONNX Runtime whose fusion is wrong; what it did is M-05",
    "X-05": "a flaw of another tool's validation, not of an artifact",
    "X-06": "a converter that shares memory with its source; ours reads files",
    "P-01, P-03, P-04, P-05, P-06, P-07, P-08, P-10": "spaCy packages and their versions: held by tests",
}
"""Numbers that need what is not here, whatever the architecture."""


def elsewhere(family: str) -> Mapping[str, str]:
    """The numbers of the catalogue that a family's corpus does not have, and why.

    Raises:
        ParityError: no corpus for this family.
    """
    told: Mapping[str, str] = _module(family).ELSEWHERE
    return {**told, **NOWHERE}


def corpus(family: str, only: str | None = None) -> tuple[Fault, ...]:
    """The faults of a family.

    Args:
        family: the architecture.
        only: glob over names such as `T-01/query`, or over numbers.

    Raises:
        ParityError: no corpus for this family, or a glob that meets nothing.
    """
    faults: Sequence[Fault] = _module(family).FAULTS
    chosen = tuple(fault for fault in faults if only is None or _meets(fault, only))
    if not chosen:
        raise ParityError("no fault has such a name", got=only, remedy="try a number such as 'T-01' or '[RN]-*'")
    return chosen


def _module(family: str) -> Any:
    if family not in _FAMILIES:
        raise ParityError(f"there is no corpus of faults for {family}", expected=f"one of {', '.join(_FAMILIES)}")
    return import_module(_FAMILIES[family])


def _meets(fault: Fault, only: str) -> bool:
    return fnmatch.fnmatchcase(fault.name, only) or fnmatch.fnmatchcase(fault.id, only)
