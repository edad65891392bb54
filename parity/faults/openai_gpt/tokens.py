"""K: GPT's words that tokenizers leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.faults.values import Fault, Tokens
from parity.inputs.wordpiece import Casing

_TEXTS = ("I don't know…  “Café”,\nshe said: it's 5pm.", "Mr. Smith's 10km run isn't over.", "A plain sentence.")


def _as_bert(value: dict[str, Any], casing: Casing) -> None:
    """What transformers makes of this model's vocabulary, in every version."""
    value["normalizer"] = {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
        "lowercase": True,
    }  # fmt: skip
    value["pre_tokenizer"] = {"type": "BertPreTokenizer"}


def _without(wanted: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any], Casing], None]:
    def edit(value: dict[str, Any], casing: Casing) -> None:
        steps = value["normalizer"]["normalizers"]
        value["normalizer"]["normalizers"] = [step for step in steps if not wanted(step)]

    return edit


def _no_end_of_word(value: dict[str, Any], casing: Casing) -> None:
    value["model"]["end_of_word_suffix"] = None


def _fault(variant: str, what: str, edit: Callable[[dict[str, Any], Casing], None]) -> Fault:
    return Fault(id="K-08", variant=variant, verdict="token ids", what=what, inject=Tokens(edit, _TEXTS))


FAULTS = (
    _fault("BERT's words", "BERT's normalizer and words in place of ftfy's and spaCy's", _as_bert),
    _fault("cased", "case is not lowered", _without(lambda step: step["type"] == "Lowercase")),
    _fault("quotes", "typographic quotation marks as they are", _without(lambda step: step.get("content") == '"')),
    _fault("line ends", "a line's end is white space", _without(lambda step: step.get("content") == " \n ")),
    _fault("word ends", "the last symbol of a word is not marked", _no_end_of_word),
)
