"""Do tokenizers and runtimes keep to the source on inputs that hypothesis thinks up?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("generated_ids")
def test_ids(case: Case, answer: Answer) -> None:
    """Does this tokenizer give the source's ids for texts of all scripts and oddities?"""
    answer.check()


@pytest.mark.parity("generated_states")
def test_hidden_states(case: Case, answer: Answer) -> None:
    """Does this runtime stay within its bounds on generated texts and raw batches?"""
    answer.check()


@pytest.mark.parity("regression")
def test_regression(case: Case, answer: Answer) -> None:
    """Do inputs that once broke something break nothing now?"""
    answer.check()
