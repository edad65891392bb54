"""Does this runtime's layer differ from the oracle by no more than rounding?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("hidden_states")
def test_layer(case: Case, answer: Answer) -> None:
    """Does this runtime's layer differ from the oracle by no more than rounding?"""
    answer.check()
