"""Does the artifact hold the source's tensors, bit for bit?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("proof")
def test_proof(case: Case, answer: Answer) -> None:
    """Does the artifact hold the source's tensors, bit for bit?"""
    answer.check()
