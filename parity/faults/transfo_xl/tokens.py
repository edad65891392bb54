"""K: words, which are taken as they are."""

from __future__ import annotations

from typing import Any

from parity.faults.values import Fault, Runtime, Tokens
from parity.inputs.wordpiece import Casing

_CASED = ("The Quick BROWN Fox met Anna in Paris", "= Heading = \n Text of 1 @,@ 000 words .", "a\u00a0b \u200bc")


def _lowered(tokenizer: dict[str, Any], casing: Casing) -> None:
    tokenizer["normalizer"] = {"type": "Lowercase"}


def _shifted(tokenizer: dict[str, Any], casing: Casing) -> None:
    vocab = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: number + (number > 3) for token, number in vocab.items()}


def _punctuation(tokenizer: dict[str, Any], casing: Casing) -> None:
    tokenizer["pre_tokenizer"] = {"type": "Whitespace"}


def _no_last(tokenizer: dict[str, Any], casing: Casing) -> None:
    tokenizer["post_processor"] = None


FAULTS = (
    Fault(
        id="K-01", variant="lower-cased", verdict="token ids",
        what="text is lower-cased first", inject=Tokens(_lowered, _CASED),
    ),
    Fault(
        id="K-05", variant="off by one", verdict="token ids",
        what="every id above 3 is one too large: a line of the vocabulary counted twice",
        inject=Tokens(_shifted, _CASED),
    ),
    Fault(
        id="K-05", variant="fed", verdict="token ids",
        what="a runtime with a tokenizer of its own feeds ids off by one, and tells",
        inject=Runtime("ids-after-344-told"),
    ),
    Fault(
        id="K-06", variant="punctuation set apart", verdict="token ids",
        what="words are cut at punctuation, too", inject=Tokens(_punctuation, _CASED),
    ),
    Fault(
        id="K-13", variant="no <eos>", verdict="token ids",
        what="no <eos> is put behind a text", inject=Tokens(_no_last, _CASED),
    ),
)  # fmt: skip
