"""Does this tokenizer give the token ids that the source's own rules give?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("tokenization")
def test_tokenizer(case: Case, answer: Answer) -> None:
    """Does this tokenizer give the token ids that the source's own rules give?"""
    answer.check()
