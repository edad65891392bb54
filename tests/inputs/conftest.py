"""Shared by the tests of the inputs."""

from __future__ import annotations

import pytest

from parity.inputs.wordpiece import Tokenizer, read_vocab

from .support import GOLDENS


@pytest.fixture(scope="session")
def golden_tokenizer() -> Tokenizer:
    return Tokenizer(read_vocab(GOLDENS / "bert_cyrillic" / "vocab.txt"), lower_case=False, strip_accents=False)
