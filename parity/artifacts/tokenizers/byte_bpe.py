r"""Tokenizer files that make `tokenizers` and transformers follow GPT-2's rules to the letter.

The library's ByteLevel cuts words by the same pattern, but with the Unicode tables it was built with; here letters,
numbers and white space are spelt out as the package `regex` has them, which the source asks. `<|endoftext|>` within a
text is no special token to the source, so tokenizer.json adds none, and transformers is told to look for none
(`split_special_tokens`): its own default can be had by tokenizer(text, split_special_tokens=False).
"""

from __future__ import annotations

import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import regex

from parity.artifacts.tokenizers.files import write_files
from parity.inputs.byte_bpe import END, SUFFIXES, Tokenizer

FILES = ("encoder.json", "vocab.bpe")
ALIKE = ("vocab.json", "merges.txt")
"""The same two under transformers' names."""


def write(folder: Path, rules: Tokenizer, *, positions: int) -> None:
    """Write encoder.json and vocab.bpe (as they were, byte for byte, under both names) and what the libraries read.

    Args:
        folder: where to write.
        rules: the source's.
        positions: the longest sequence, `model_max_length`.
    """
    for names in (FILES, ALIKE):
        for path, name in zip((rules.vocab.path, rules.merges), names, strict=True):
            shutil.copyfile(path, folder / name)
    special = {"bos_token": END, "eos_token": END, "unk_token": END} if END in rules.vocab.ids else {}
    write_files(folder, tokenizer=_fast(rules), config=_config(special, positions), special=special)


def _fast(rules: Tokenizer) -> dict[str, Any]:
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": _pattern()}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, letters]},
        "post_processor": letters,
        "decoder": letters,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(sorted(rules.vocab.ids.items(), key=lambda item: item[1])),
            "merges": [list(pair) for pair in sorted(rules.ranks, key=rules.ranks.__getitem__)],
        },
    }


def _config(special: dict[str, str], positions: int) -> dict[str, Any]:
    return {
        **special,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        # Token types must not be among them: transformers' GPT-2 would add their rows of the table of tokens.
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": positions,
        "split_special_tokens": True,
        # The generic class takes tokenizer.json as it is; transformers 5 rebuilds GPT2Tokenizer's from its own pattern.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def _pattern() -> str:
    letter, number, space = (_ranges(name) for name in (r"\p{L}", r"\p{N}", r"\s"))
    return (
        f"'(?:{'|'.join(SUFFIXES)})| ?[{letter}]+| ?[{number}]+| ?[^{space}{letter}{number}]+"
        f"|[{space}]+(?![^{space}])|[{space}]+"
    )


@cache
def _ranges(name: str) -> str:
    r"""The characters of a class of `regex` as ranges within a character class: `\x{41}-\x{5A}`."""
    surrogates = range(0xD800, 0xE000)
    every = "".join(chr(code) for code in range(sys.maxunicode + 1) if code not in surrogates)
    runs = (match.group() for match in regex.finditer(f"{name}+", every))
    return "".join(_run(part) for run in runs for part in _unbroken(run))


def _unbroken(run: str) -> list[str]:
    """The surrogates, which no text holds, were left out: a run must not go across them."""
    parts = [run[: run.find("\ue000")], run[run.find("\ue000") :]] if "\ud7ff\ue000" in run else [run]
    return [part for part in parts if part]


def _run(run: str) -> str:
    return f"\\x{{{ord(run[0]):X}}}" + (f"-\\x{{{ord(run[-1]):X}}}" if len(run) > 1 else "")
