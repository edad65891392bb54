"""Tokenizer files that make `tokenizers` and transformers follow XLNet's rules.

`<sep>` and its like within a text are no special tokens to the source, so tokenizer.json adds none, and transformers is
told to look for none (`split_special_tokens`); their own default: tokenizer(text, split_special_tokens=False).

One rule the library has no word for: the source cuts a piece that ends in a digit and a comma again without its comma.
Here such pieces match nothing, and the best way without them is taken. It is the same way, unless a piece that begins
with the comma makes another way better.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from parity.artifacts.tokenizers.files import write_files
from parity.artifacts.tokenizers.sentencepiece_rules import normalizer
from parity.errors import ParityError
from parity.inputs.sentencepieces import SPACE, SPECIAL, Tokenizer
from parity.inputs.spiece import Piece

FILES = ("spiece.model",)
_ROLES = {
    "bos_token": "<s>",
    "cls_token": "<cls>",
    "eos_token": "</s>",
    "mask_token": "<mask>",
    "pad_token": "<pad>",
    "sep_token": "<sep>",
    "unk_token": "<unk>",
}
_NEVER = " "
"""Behind a piece's text: no text holds a space when it is cut, so that such a piece matches nothing."""


def write(folder: Path, rules: Tokenizer, *, positions: int) -> None:
    """Write spiece.model (as it was, byte for byte), tokenizer.json, tokenizer_config.json, special_tokens_map.json.

    Args:
        folder: where to write.
        rules: the source's.
        positions: the longest sequence, `model_max_length`.

    Raises:
        ParityError: rules that lower-case, which no published XLNet has.
    """
    if rules.lower_case:
        raise ParityError("no files for an uncased XLNet", where=rules.vocab.path, remedy="convert without a tokenizer")
    shutil.copyfile(rules.vocab.path, folder / FILES[0])
    special = {role: name for role, name in _ROLES.items() if rules.vocab.ids.get(name) == SPECIAL[name]}
    write_files(folder, tokenizer=_fast(rules), config=_config(special, positions), special=special)


def _fast(rules: Tokenizer) -> dict[str, Any]:
    def piece(kind: str, name: str, segment: int) -> dict[str, Any]:
        return {kind: {"id": name, "type_id": segment}}

    first = [piece("Sequence", "A", 0), piece("SpecialToken", "<sep>", 0)]
    second = [piece("Sequence", "B", 1), piece("SpecialToken", "<sep>", 1)]
    last = [piece("SpecialToken", "<cls>", 2)]
    pieces = rules.model.pieces
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": normalizer(rules.model.processor()),
        "pre_tokenizer": _apart(pieces),
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [*first, *last],
            "pair": [*first, *second, *last],
            "special_tokens": {
                name: {"id": name, "ids": [SPECIAL[name]], "tokens": [name]} for name in ("<cls>", "<sep>")
            },
        },
        "decoder": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": False},
        "model": {
            "type": "Unigram",
            "unk_id": next(number for number, one in enumerate(pieces) if one.kind == "unknown"),
            "vocab": _scored(pieces),
            "byte_fallback": False,
        },
    }


def _scored(pieces: tuple[Piece, ...]) -> list[list[object]]:
    """Pieces and scores by which the library's search ends where sentencepiece's does."""
    scores = [one.score for one in pieces if one.kind == "normal"]
    # What is unknown costs 10 more than the worst piece, in the library than the worst of all kinds.
    least, best = min(scores, default=0.0), max(scores, default=0.0)
    found: list[list[object]] = []
    for one in pieces:
        text, score = one.text, one.score
        if one.kind == "user-defined":
            score = max(len(text.encode()) * best - 0.1, least)
        if one.kind in ("unused", "byte") or _recut(text):
            text += _NEVER
        found.append([text, score])
    return found


def _recut(piece: str) -> bool:
    """Does the source cut this piece again, without its comma?"""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _apart(pieces: tuple[Piece, ...]) -> dict[str, Any] | None:
    """Cuts a literal `<sep>` where its letters begin: the library's search would take it for the piece.

    Not before: what is unknown becomes one piece with the unknown that stands before it.
    """
    names = [one.text for one in pieces if one.kind in ("control", "unknown")]
    heads = [next((at for at, char in enumerate(name) if char.isalnum()), 0) for name in names]
    cuts = [(name[:at], name[at:]) for name, at in zip(names, heads, strict=True) if at]
    if not cuts:
        return None
    cut = "|".join(f"{re.escape(head)}(?={re.escape(rest)})" for head, rest in cuts)
    return {"type": "Split", "pattern": {"Regex": cut}, "behavior": "MergedWithPrevious", "invert": False}


def _config(special: dict[str, str], positions: int) -> dict[str, Any]:
    return {
        **special,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "model_max_length": positions,
        "padding_side": "left",
        "split_special_tokens": True,
        # The generic class takes tokenizer.json as it is; transformers 5 rebuilds XLNetTokenizer's, and keeps accents.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
