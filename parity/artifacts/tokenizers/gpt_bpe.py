"""Tokenizer files that make `tokenizers` and transformers follow OpenAI GPT's rules.

The library's own make-up for this model is BERT's: it strips accents, takes every sign for a word, and knows no
contraction. Here the steps of `parity.inputs.english` are its normalizer, one by one, and the words what stands between
white space after them. Case is lowered when words have been told apart, as in the source.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from parity.artifacts.tokenizers.files import write_files
from parity.artifacts.tokenizers.wordpiece_rules import normalizer
from parity.inputs.english import BLANK, cutting, mending
from parity.inputs.gpt_bpe import END, SPECIAL, Tokenizer
from parity.inputs.vocabulary import Casing

FILES = ("encoder_bpe_40000.json", "vocab_40000.bpe")
ALIKE = ("vocab.json", "merges.txt")
"""The same two under transformers' names."""


def write(folder: Path, rules: Tokenizer, *, positions: int) -> None:
    """Write the vocabulary and the merges (as they were, byte for byte, under both names) and what the libraries read.

    Args:
        folder: where to write.
        rules: the source's.
        positions: the longest sequence, `model_max_length`.
    """
    for names in (FILES, ALIKE):
        for path, name in zip((rules.vocab.path, rules.merges), names, strict=True):
            shutil.copyfile(path, folder / name)
    special = {"unk_token": rules.unknown, "pad_token": rules.unknown}
    if rules.special:
        start, between, end = SPECIAL
        special |= {"bos_token": start, "sep_token": between, "cls_token": end}
    write_files(folder, tokenizer=_fast(rules), config=_config(special, positions), special=special)


def _fast(rules: Tokenizer) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers()},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": f"{BLANK}+"},
            "behavior": "Removed",
            "invert": False,
        },
        "post_processor": _around(rules) if rules.special else None,
        "decoder": {"type": "BPEDecoder", "suffix": END},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": rules.unknown,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": END,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(sorted(rules.vocab.ids.items(), key=lambda item: item[1])),
            "merges": [list(pair) for pair in sorted(rules.ranks, key=rules.ranks.__getitem__)],
        },
    }


def _normalizers() -> list[dict[str, Any]]:
    def replaced(step: tuple[str, str]) -> dict[str, Any]:
        return {"type": "Replace", "pattern": {"Regex": step[0]}, "content": step[1]}

    # BERT's rules for lower case, less their first step, which deletes what cannot be shown.
    lower = normalizer(Casing(True, False, "GPT"))["normalizers"][1:]
    return [*map(replaced, mending()), {"type": "NFC"}, *map(replaced, cutting()), *lower]


def _around(rules: Tokenizer) -> dict[str, Any]:
    def piece(kind: str, name: str) -> dict[str, Any]:
        return {kind: {"id": name, "type_id": 0}}

    start, between, end = SPECIAL
    first = [piece("SpecialToken", start), piece("Sequence", "A")]
    return {
        "type": "TemplateProcessing",
        "single": [*first, piece("SpecialToken", end)],
        "pair": [*first, piece("SpecialToken", between), piece("Sequence", "B"), piece("SpecialToken", end)],
        "special_tokens": {
            token: {"id": token, "ids": [rules.vocab.ids[token]], "tokens": [token]} for token in SPECIAL
        },
    }


def _config(special: dict[str, str], positions: int) -> dict[str, Any]:
    return {
        **special,
        "clean_up_tokenization_spaces": False,
        "do_lower_case": True,
        # Token types must not be among them: transformers' OpenAI GPT would add their rows of the table of tokens.
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": positions,
        # A special token's name within a text is none to the source.
        "split_special_tokens": True,
        # The generic class takes tokenizer.json as it is; transformers' own class for GPT rebuilds it from BERT's.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
