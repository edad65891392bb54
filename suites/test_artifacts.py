"""Does the artifact as it ships, read back from disk, give what was judged?"""

from __future__ import annotations

import pytest

from parity.runs import Answer, Case


@pytest.mark.parity("artifacts")
def test_reloaded(case: Case, answer: Answer) -> None:
    """Does the artifact as it ships, read back from disk, give what was judged?"""
    answer.check()
