"""Tokenizer files that make `tokenizers` and transformers split and look up words as Transformer-XL's source does.

The vocabulary is written as text, one word a line, whatever it was read from: a pickle is code to whoever opens it with
Python's own reader, and the corpus in it is no part of the model. White space is spelt out as Python's `str.split` has
it. `<eos>` within a text is a word to the source, no special token: see `parity.artifacts.tokenizers.byte_bpe`.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from parity.artifacts.tokenizers.files import write_files, write_json
from parity.artifacts.tokenizers.wordpiece_rules import normalizer
from parity.inputs.vocabulary import Casing
from parity.inputs.word_lists import SIDECAR
from parity.inputs.words import DOUBLE, ENDS, EOS, Tokenizer

FILES = ("vocab.txt", SIDECAR)
_ANY_LENGTH = int(1e30)
"""What transformers writes where there is no longest."""


def write(folder: Path, rules: Tokenizer, *, positions: int) -> None:
    """Write vocab.txt, vocab.json (what the words do not tell), and what the libraries read.

    Args:
        folder: where to write.
        rules: the source's.
        positions: the longest row that we make; relative positions have no longest, and `model_max_length` says so.
    """
    lines = "".join(f"{word}\n" for word in rules.vocab.tokens)
    (folder / FILES[0]).write_text(lines, encoding="utf-8", newline="\n")
    special = _special(rules)
    write_json(folder / SIDECAR, rules.describe())
    write_files(folder, tokenizer=_fast(rules), config=_config(special), special=special)


def _special(rules: Tokenizer) -> dict[str, str]:
    end = EOS if EOS in rules.vocab.ids else DOUBLE if DOUBLE in rules.vocab.ids else None
    unknown = None if rules.unknown is None else rules.vocab.tokens[rules.unknown]
    padding = None if end is None else rules.vocab.tokens[rules.pad]
    found = {"eos_token": end, "pad_token": padding, "unk_token": unknown}
    return {name: word for name, word in found.items() if word is not None}


def _fast(rules: Tokenizer) -> dict[str, Any]:
    before, behind = ENDS[rules.ends]
    ends = {word: rules.vocab.ids[word] for word in (*before, *behind)}

    def around(*sequences: str) -> list[dict[str, Any]]:
        def special(word: str) -> dict[str, Any]:
            return {"SpecialToken": {"id": word, "type_id": 0}}

        texts = ({"Sequence": {"id": name, "type_id": 0}} for name in sequences)
        return [piece for text in texts for piece in (*map(special, before), text, *map(special, behind))]

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": _lower_case() if rules.lower_case else None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": _space()}, "behavior": "Removed", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": around("A"),
            "pair": around("A", "B"),
            "special_tokens": {word: {"id": word, "ids": [n], "tokens": [word]} for word, n in ends.items()},
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": dict(rules.vocab.ids),
            # A word that this vocabulary lacks is an error to the library, too.
            "unk_token": _special(rules).get("unk_token", ""),
        },
    }


def _config(special: dict[str, str]) -> dict[str, Any]:
    return {
        **special,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids"],
        "model_max_length": _ANY_LENGTH,
        "padding_side": "right",
        "split_special_tokens": True,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def _lower_case() -> dict[str, Any]:
    """As `str.lower`: the steps of BERT's normalizer, but for the first, which deletes what cannot be shown."""
    steps = normalizer(Casing(True, False, ""))["normalizers"]
    return {"type": "Sequence", "normalizers": steps[1:]}


@cache
def _space() -> str:
    """What `str.split` splits at; the library's own set lacks four control characters."""
    codes = (code for code in range(sys.maxunicode + 1) if re.fullmatch(r"\s", chr(code)) and not chr(code).split())
    return "[" + "".join(f"\\x{{{code:X}}}" for code in codes) + "]+"
