"""Vocabularies that the tests of the inputs share."""

from __future__ import annotations

import string
from pathlib import Path

from parity.inputs.wordpiece import Tokenizer, Vocabulary

GOLDENS = Path(__file__).parents[2] / "fixtures" / "goldens"
BERT_GOLDENS = ("bert_cyrillic", "bert_pretrain_erf")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary(*tokens: str) -> Vocabulary:
    """The special tokens at 0 to 4, then these."""
    return Vocabulary.of([*SPECIAL, *tokens], path=Path("vocab.txt"))


def tokenizer(*tokens: str, lower_case: bool = False, strip_accents: bool = False) -> Tokenizer:
    return Tokenizer(vocabulary(*tokens), lower_case=lower_case, strip_accents=strip_accents)


def letters() -> Tokenizer:
    """Every printable ASCII character alone and as a continuation, and a few words."""
    alone = [char for char in string.printable if not char.isspace()]
    return tokenizer(*alone, *("##" + char for char in alone), "the", "##ing", "и", "##и", "好", "å")
