"""Do pooler and logits differ from the oracle by no more than rounding?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("heads")
def test_head(case: Case, answer: Answer) -> None:
    """Do pooler and logits differ from the oracle by no more than rounding?"""
    answer.check()
