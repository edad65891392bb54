"""K: from text to ids, by a table of pieces and merges."""

from __future__ import annotations

from typing import Any

from parity.faults.edits import late_rows
from parity.faults.gpt.names import Gpt
from parity.faults.values import Artifact, Fault, Runtime, Tokens
from parity.inputs.wordpiece import Casing

CASED = ("The Quick BROWN Fox met Anna in Paris", "Москва и Санкт-Петербург зимой", "På Fyn bor Søren")
MARKS = ("e\u0301te\u0301 nai\u0308ve", "a\u200bb \u00ad c\u2060d", "tab\tand\u00a0space", "it's 3.14, isn't it?")
ANY = (*CASED, *MARKS)


def shifted(tokenizer: dict[str, Any], casing: Casing) -> None:
    """Ids above 344 are one too large."""
    vocab = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: number + (number > 344) for token, number in vocab.items()}


def no_normalizer(tokenizer: dict[str, Any], casing: Casing) -> None:
    """Text goes in as it is."""
    tokenizer["normalizer"] = None


def _merges_backwards(tokenizer: dict[str, Any], casing: Casing) -> None:
    tokenizer["model"]["merges"].reverse()


def lowered(tokenizer: dict[str, Any], casing: Casing) -> None:
    """Text is lower-cased first."""
    before = tokenizer["normalizer"]
    first = {"type": "Lowercase"}
    tokenizer["normalizer"] = first if before is None else {"type": "Sequence", "normalizers": [first, before]}


def tokens(names: Gpt) -> tuple[Fault, ...]:
    """The rows of one of the two."""
    return (
        Fault(
            id="K-05", variant="off by one", verdict="token ids",
            what="every id above 344 is one too large: a line of the vocabulary counted twice",
            inject=Tokens(shifted, ANY),
        ),
        Fault(
            id="K-05", variant="fed", verdict="token ids",
            what="a runtime with a tokenizer of its own feeds ids off by one, and tells",
            inject=Runtime("ids-after-344-told"),
        ),
        Fault(
            id="K-05", variant="fed in silence", place="embeddings", causes=("rows-shifted",),
            what="ids above 344 are one too small on the way in, and nothing tells", inject=Runtime("ids-after-344"),
        ),
        Fault(
            id="K-06", variant="merges backwards", verdict="token ids",
            what="the merges are ranked the other way round", inject=Tokens(_merges_backwards, ANY),
        ),
        Fault(
            id="D-02", variant="rows shifted", place="embeddings", causes=("rows-shifted",),
            what="behind the middle of the table, every piece has its predecessor's row",
            inject=Artifact(late_rows(names.words)),
        ),
    )  # fmt: skip
