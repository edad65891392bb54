"""Tokenizer files that make `tokenizers` and transformers follow the source's rules, as far as they can be configured.

The original's longest word is 200 characters where the libraries default to 100, and its casing lives in the caller's
flags, not in the checkpoint: both are written out in every file that could otherwise fall back on a default.
What is a word is told by `parity.artifacts.tokenizers.wordpiece_rules`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.artifacts.tokenizers.files import write_files
from parity.artifacts.tokenizers.wordpiece_rules import normalizer, pre_tokenizer
from parity.inputs.wordpiece import Casing, Tokenizer

LONGEST_WORD = 200
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


FILES = ("vocab.txt",)


def write(folder: Path, rules: Tokenizer, *, positions: int) -> None:
    """Write vocab.txt (as it was, byte for byte), tokenizer.json, tokenizer_config.json, special_tokens_map.json.

    Args:
        folder: where to write.
        rules: the source's vocabulary, and whether to lower-case and to strip accents.
        positions: the longest sequence, `model_max_length`.
    """
    vocabulary, casing = rules.vocab, Casing(rules.lower_case, rules.strip_accents, rules.evidence)
    shutil.copyfile(vocabulary.path, folder / "vocab.txt")
    write_files(
        folder,
        tokenizer=_fast(vocabulary.ids, casing),
        config=_config(vocabulary.ids, casing, positions),
        special=SPECIAL,
    )


def _added(ids: Mapping[str, int]) -> list[dict[str, Any]]:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": ids[token], "content": token, **plain} for token in sorted(SPECIAL.values(), key=ids.__getitem__)]


def _fast(ids: Mapping[str, int], casing: Casing) -> dict[str, Any]:
    def piece(kind: str, name: str, segment: int) -> dict[str, Any]:
        return {kind: {"id": name, "type_id": segment}}

    first = [piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0), piece("SpecialToken", "[SEP]", 0)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(ids),
        "normalizer": normalizer(casing),
        "pre_tokenizer": pre_tokenizer(),
        "post_processor": {
            "type": "TemplateProcessing",
            "single": first,
            "pair": [*first, piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": LONGEST_WORD,
            "vocab": dict(sorted(ids.items(), key=lambda item: item[1])),
        },
    }


def _config(ids: Mapping[str, int], casing: Casing, positions: int) -> dict[str, Any]:
    return {
        "added_tokens_decoder": {
            str(entry["id"]): {key: value for key, value in entry.items() if key != "id"} for entry in _added(ids)
        },
        "clean_up_tokenization_spaces": True,
        **SPECIAL,
        "do_basic_tokenize": True,
        "do_lower_case": casing.lower_case,
        "max_input_chars_per_word": LONGEST_WORD,
        # Without these names transformers 5 leaves token types out: pairs would silently be embedded as one sentence.
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "model_max_length": positions,
        "never_split": None,
        "strip_accents": casing.strip_accents,
        "tokenize_chinese_chars": True,
        # The generic class takes tokenizer.json as it is; transformers 5 rebuilds BertTokenizer's with 100 characters.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
