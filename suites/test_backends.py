"""Did the runtime load the artifact and answer every batch, in the precision it claims?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("backend")
def test_backend(case: Case, answer: Answer) -> None:
    """Did the runtime load the artifact and answer every batch, in the precision it claims?"""
    answer.check()
