"""The words of a Transformer-XL vocabulary in id order, from the pickle or the text that the original keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.inputs.pickles import Instance, read_pickle
from parity.inputs.textfiles import LARGEST, read_utf8

SIDECAR = "vocab.json"
"""Beside a vocab.txt that parity wrote: what a list of words does not tell."""
_VOCAB, _CORPUS = ("vocabulary.Vocab", "utils.vocabulary.Vocab"), ("data_utils.Corpus",)
_NAMES: Mapping[tuple[str, str], str] = {
    ("vocabulary", "Vocab"): "instance",
    ("utils.vocabulary", "Vocab"): "instance",
    ("data_utils", "Corpus"): "instance",
    ("collections", "Counter"): "mapping",
    ("collections", "OrderedDict"): "mapping",
    ("collections", "defaultdict"): "mapping",
    # What Python 2 calls its objects' class by, and rebuilds them with.
    ("copy_reg", "_reconstructor"): "reconstructor",
    ("copyreg", "_reconstructor"): "reconstructor",
    ("__builtin__", "object"): "inert",
    ("builtins", "object"): "inert",
    # The corpus itself, which is not read.
    ("_codecs", "encode"): "inert",
    ("numpy", "dtype"): "inert",
    ("numpy", "ndarray"): "inert",
    ("numpy.core.multiarray", "_reconstruct"): "inert",
    ("numpy.core.multiarray", "scalar"): "inert",
    ("numpy.core.numeric", "_frombuffer"): "inert",
    ("numpy._core.multiarray", "_reconstruct"): "inert",
    ("numpy._core.multiarray", "scalar"): "inert",
    ("numpy._core.numeric", "_frombuffer"): "inert",
}
_ENDS = {
    **dict.fromkeys(("ptb", "wt2", "wt103"), "eos"),
    **dict.fromkeys(("enwik8", "text8"), "none"),
    "lm1b": "double",
}
"""data_utils.py, Corpus: how each dataset's lines are encoded."""


@dataclass(frozen=True)
class WordList:
    """Words in id order, and what the file tells besides; None where it does not."""

    words: tuple[str, ...]
    lower_case: bool | None
    ends: str | None
    unknown: str | None
    evidence: str


def read_word_list(path: Path) -> WordList:
    """Read a vocabulary: a pickle, told by its name's ending or its first byte, or else text.

    Raises:
        ParityError: unreadable, refused, or no vocabulary.
    """
    return _pickled(path) if path.suffix in (".pkl", ".pickle") or _begins_as_pickle(path) else _text(path)


def _begins_as_pickle(path: Path) -> bool:
    # No text in UTF-8 begins so, and every pickle since protocol 2 does.
    try:
        with path.open("rb") as file:
            return file.read(1) == b"\x80"
    except OSError:
        return False


def _pickled(path: Path) -> WordList:
    found = read_pickle(path, _NAMES)
    corpus = found.state if isinstance(found, Instance) and found.of in _CORPUS else {}
    vocab = corpus.get("vocab", found)
    # Hugging Face's tokenizer saved the attributes alone.
    state = vocab.state if isinstance(vocab, Instance) and vocab.of in _VOCAB else vocab
    if not isinstance(state, dict) or "idx2sym" not in state:
        raise ParityError("the pickle holds no vocabulary", where=path, expected="a data_utils.Corpus with its Vocab")
    words = state["idx2sym"]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ParityError("idx2sym is no list of words", where=path, got=type(words).__name__)
    ids = state.get("sym2idx")
    if ids is not None and ids != {word: number for number, word in enumerate(words)}:
        raise ParityError("idx2sym and sym2idx name different ids", where=path, remedy="pickle the vocabulary again")
    delimiter = state.get("delimiter")
    if delimiter is not None:
        # The original's own scripts never set it; the empty one breaks its encode_file.
        raise ParityError("words split at something other than white space", where=path, got=type(delimiter).__name__)
    lower_case = state.get("lower_case")
    dataset = corpus.get("dataset")
    unknown = state.get("unk_idx")
    named = words[unknown] if isinstance(unknown, int) and 0 <= unknown < len(words) else None
    said = f"{path.name}" + (f", dataset {dataset}" if isinstance(dataset, str) else "")
    return WordList(
        tuple(_checked(words, path)),
        lower_case if isinstance(lower_case, bool) else None,
        _ENDS.get(dataset) if isinstance(dataset, str) else None,
        named,
        said,
    )


def _text(path: Path) -> WordList:
    beside = _sidecar(path.with_name(SIDECAR))
    lines = read_utf8(path).split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if not beside:
        # vocabulary.py, _build_from_file: the first word of each line; what stands twice takes no second id.
        firsts = [line.split() for line in lines]
        blank = next((number for number, words in enumerate(firsts, 1) if not words), None)
        if blank is not None:
            raise ParityError(f"line {blank} is blank", where=path, remedy="use the vocabulary as it was published")
        lines = list(dict.fromkeys(words[0] for words in firsts))
    if not lines:
        raise ParityError("an empty vocabulary", where=path, remedy="use the vocabulary as it was published")
    return WordList(
        tuple(_checked(lines, path)),
        beside.get("lower_case"),
        beside.get("ends"),
        beside.get("unknown"),
        str(beside.get("evidence", path.name)),
    )


def _sidecar(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(read_utf8(path, largest=1 << 16))
    except (ValueError, RecursionError) as error:
        raise ParityError("no JSON", where=path, got=str(error)) from error
    kinds = {"lower_case": bool, "ends": str, "unknown": str | None, "evidence": str}
    if not isinstance(found, dict) or found.get("ends", "none") not in ("eos", "double", "none"):
        found = {"ends": 0}
    wrong = [key for key, value in found.items() if key not in kinds or not isinstance(value, kinds[key])]
    if wrong:
        remedy = f"delete it: {path.name} is parity's own note beside vocab.txt"
        raise ParityError("not what parity writes beside a vocabulary", where=path, got=wrong[0], remedy=remedy)
    return found


def _checked(words: list[str], path: Path) -> list[str]:
    if len(set(words)) != len(words):
        raise ParityError("a word stands twice", where=path, remedy="use the vocabulary as it was published")
    if sum(map(len, words)) > LARGEST:
        raise ParityError("too many letters for a vocabulary", where=path)
    broken = next((number for number, word in enumerate(words) if "\n" in word or not word), None)
    if broken is not None:
        raise ParityError(f"entry {broken} is no word", where=path, got=repr(words[broken])[:40])
    return words
