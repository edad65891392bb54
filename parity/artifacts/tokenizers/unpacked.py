"""A source's vocabulary files made from `tokenizer.json` alone, where that says the same exactly.

Directories of recent years hold the library's one file and not the vocabulary that it was made from. The pieces and
their ids are in it, and the merges in their order; rules are not looked at here: casing is read as for every directory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from parity.errors import ParityError

FILE = "tokenizer.json"
_MOST = 1 << 26
_REMEDY = "save its slow tokenizer there, which writes the vocabulary's own files"


def unpacked(kind: str, folder: Path) -> tuple[str, ...] | None:
    """The texts of a vocabulary's files, in the order of their names; None if there is no tokenizer.json to read.

    Args:
        kind: of the rules, a key of `parity.artifacts.tokenizers.KINDS`.
        folder: a Hugging Face directory.

    Raises:
        ParityError: the file is damaged, or says something that the vocabulary's files cannot.
    """
    path = folder / FILE
    if kind not in _TEXTS or not path.is_file():
        return None
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _MOST else None
        model, added = raw["model"], raw.get("added_tokens") or []
        pieces = {**model["vocab"], **{one["content"]: one["id"] for one in added}}
        merges = [tuple(one.split(" ") if isinstance(one, str) else one) for one in model.get("merges", ())]
        sound = all(isinstance(i, int) for i in pieces.values()) and all(len(pair) == 2 for pair in merges)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParityError("not a tokenizer's file", where=path, got=error, remedy=_REMEDY) from error
    if not sound or sorted(pieces.values()) != list(range(len(pieces))):
        got = f"{len(pieces)} pieces"
        raise ParityError("its pieces are not numbered 0, 1, 2, ...", where=path, got=got, remedy=_REMEDY)
    wanted, texts = _TEXTS[kind]
    for key, value in wanted.items():
        if (model.get(key) or "") != value:
            got, expected = json.dumps(model.get(key)), json.dumps(value)
            raise ParityError(f"its {key} is none of a {kind}", where=path, got=got, expected=expected, remedy=_REMEDY)
    made = texts(sorted(pieces, key=pieces.__getitem__), merges)
    if made is None:
        raise ParityError("a piece with a line break has no place in the files", where=path, remedy=_REMEDY)
    return made


Merges = list[tuple[str, ...]]


def _lines(pieces: list[str], merges: Merges) -> tuple[str, ...] | None:
    # What reads vocab.txt strips white space around every piece.
    if any(piece != piece.strip() or len(piece.splitlines()) != 1 for piece in pieces):
        return None
    return ("".join(f"{piece}\n" for piece in pieces),)


def _pairs(pieces: list[str], merges: Merges) -> tuple[str, ...] | None:
    if any(" " in part or len(part.splitlines()) != 1 for pair in merges for part in pair):
        return None
    ids = {piece: number for number, piece in enumerate(pieces)}
    text = "".join(f"{first} {second}\n" for first, second in merges)
    return (json.dumps(ids, ensure_ascii=False), f"#version: 0.2\n{text}")


_TEXTS: Mapping[str, tuple[Mapping[str, str], Callable[[list[str], Merges], tuple[str, ...] | None]]] = {
    "wordpiece": (
        {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"},
        _lines,
    ),
    "byte-bpe": ({"type": "BPE", "continuing_subword_prefix": "", "end_of_word_suffix": ""}, _pairs),
    "bpe": ({"type": "BPE", "continuing_subword_prefix": "", "end_of_word_suffix": "</w>"}, _pairs),
}
"""What the model of that kind says of itself, and its files' texts."""
