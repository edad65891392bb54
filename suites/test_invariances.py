"""Does a runtime answer alike however the same rows are fed: padded, alone, reversed, on other threads, twice?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("invariance")
def test_invariance(case: Case, answer: Answer) -> None:
    """Does a runtime answer alike however the same rows are fed: padded, alone, reversed, on other threads, twice?"""
    answer.check()
