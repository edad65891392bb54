"""The tokenizer files of a Hugging Face directory: one module per kind of rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from parity.artifacts.tokenizers.unpacked import unpacked
from parity.errors import ParityError
from parity.inputs.tokenizers import Rules

KINDS: Mapping[str, str] = {
    "wordpiece": "parity.artifacts.tokenizers.wordpiece",
    "byte-bpe": "parity.artifacts.tokenizers.byte_bpe",
    "bpe": "parity.artifacts.tokenizers.gpt_bpe",
    "words": "parity.artifacts.tokenizers.words",
    "sentencepiece": "parity.artifacts.tokenizers.sentencepieces",
}
"""Modules with `write(folder, rules, *, positions)`, and `FILES`: the source's own files, as they are kept beside.

`ALIKE`, where there is one, are transformers' names of the same files, in the same order.
"""


def write_tokenizer(kind: str, folder: Path, rules: Rules, *, positions: int) -> None:
    """Write the source's vocabulary files as they were, and those that make the libraries follow its rules.

    Args:
        kind: of the rules.
        folder: where to write.
        rules: the source's.
        positions: the longest sequence, `model_max_length`.
    """
    write: Callable[..., None] = import_module(KINDS[kind]).write
    write(folder, rules, positions=positions)


def vocabulary_files(kind: str) -> tuple[str, ...]:
    """Names of the source's vocabulary files in a converted directory."""
    names: tuple[str, ...] = import_module(KINDS[kind]).FILES
    return names


def copy_vocabulary(kind: str, pytorch: Path, folder: Path) -> None:
    """Copy the vocabulary files back from a converted directory; a conversion without a tokenizer has none.

    Where a directory has none of them, they are made from its tokenizer.json.

    Raises:
        ParityError: some of them are missing.
    """
    names = vocabulary_files(kind)
    # Directories by others know them by transformers' names alone.
    alike: tuple[str, ...] = getattr(import_module(KINDS[kind]), "ALIKE", names)
    found = {
        name: next((p for p in (pytorch / name, pytorch / as_) if p.is_file()), None)
        for name, as_ in zip(names, alike, strict=True)
    }
    missing = [name for name, path in found.items() if path is None]
    texts = unpacked(kind, pytorch) if len(missing) == len(names) else None
    if texts is not None:
        for name, text in zip(names, texts, strict=True):
            (folder / name).write_text(text, encoding="utf-8")
        return
    if missing and not (len(missing) == len(names) and _without_tokenizer(pytorch)):
        remedy = "save its tokenizer there"
        raise ParityError(f"no {', '.join(missing)} in the Hugging Face directory", where=pytorch, remedy=remedy)
    for name, path in found.items():
        if path is not None:
            shutil.copyfile(path, folder / name)


def _without_tokenizer(pytorch: Path) -> bool:
    from parity.artifacts.proof import FILE, read_proof

    return (pytorch / FILE).is_file() and not read_proof(pytorch).casing
