"""Vocabulary files made from tokenizer.json alone: exact, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_bert import ERF, GOLDENS

from parity.artifacts import convert_checkpoint
from parity.artifacts.tokenizers import copy_vocabulary, vocabulary_files
from parity.errors import ParityError

KINDS = {"wordpiece": ERF, "byte-bpe": GOLDENS / "gpt2", "bpe": GOLDENS / "gpt"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Per kind of rules, a folder that holds a tokenizer.json and nothing else of the vocabulary."""
    from parity.artifacts import Choices

    found = {}
    for kind, golden in KINDS.items():
        out, bare = tmp_path_factory.mktemp(kind) / "out", tmp_path_factory.mktemp(f"{kind}-bare")
        settings = {"n_head": "4"} if kind == "bpe" else {}
        convert_checkpoint(str(golden), out, choices=Choices(settings=settings))
        shutil.copyfile(out / "tokenizer.json", bare / "tokenizer.json")
        found[kind] = bare
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_those_it_was_made_from(kind: str, made: dict[str, Path], tmp_path: Path) -> None:
    copy_vocabulary(kind, made[kind], tmp_path)
    for name in vocabulary_files(kind):
        first, again = ((folder / name).read_text(encoding="utf-8") for folder in (KINDS[kind], tmp_path))
        if name.endswith(".json"):
            assert json.loads(again) == json.loads(first)
        elif kind == "wordpiece":
            assert again == first
        else:  # the first line names the version of the file, which no rule reads
            assert again.split("\n")[1:] == [*first.rstrip("\n").split("\n")[1:], ""]


def _gap(raw: dict[str, Any]) -> None:
    words = raw["model"]["vocab"]
    words[next(name for name in words if not name.startswith("["))] = len(words)


def _lined(raw: dict[str, Any]) -> None:
    raw["added_tokens"].append({"content": "a\nb", "id": len(raw["model"]["vocab"])})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_gap, "not numbered 0, 1, 2"),
        (_lined, "a piece with a line break"),
        (lambda raw: raw["model"].update(type="Unigram"), "its type is none of a wordpiece"),
        (lambda raw: raw["model"].update(continuing_subword_prefix="@@"), "its continuing_subword_prefix is none"),
        (lambda raw: raw.update(model=[]), "not a tokenizer's file"),
        (lambda raw: raw["model"].update(vocab=3), "not a tokenizer's file"),
    ],
)
def test_what_the_files_cannot_say_is_refused(
    change: Callable[[dict[str, Any]], None], says: str, made: dict[str, Path], tmp_path: Path
) -> None:
    raw = json.loads((made["wordpiece"] / "tokenizer.json").read_text(encoding="utf-8"))
    change(raw)
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(ParityError, match=says):
        copy_vocabulary("wordpiece", tmp_path, tmp_path / "out")


def test_without_it_the_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"no vocab\.txt in the Hugging Face directory"):
        copy_vocabulary("wordpiece", tmp_path, tmp_path / "out")
