"""The tokenizer files against what the original tokenizer did with 232 texts, by `tokenizers` and by transformers."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from small_bert import CYRILLIC, ERF, VOCAB, write_source

from parity.artifacts import Choices, convert_checkpoint
from parity.artifacts.tokenizer_ids import LIBRARIES, first_difference, first_other_row
from parity.artifacts.tokenizers.wordpiece_rules import normalizer, pre_tokenizer
from parity.errors import MissingRuntime, ParityError
from parity.inputs.normalise import words
from parity.inputs.wordpiece import Casing, Tokenizer, read_vocab

tokenizers = pytest.importorskip("tokenizers", reason='pip install "parity[torch]"')

CASES = [(case, mode) for case in (ERF, CYRILLIC) for mode in ("lower", "cased")]
# What users of the libraries want otherwise: special tokens in a text are special, where the original cuts them at the
# brackets (fixtures/known_tokenizer_differences.toml).
DOCUMENTED = {
    "[CLS] hello [SEP]",
    "[MASK] is a [UNK] word [PAD]",
    "hello[MASK]world",
}


@cache
def items(case: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((case / "tokens.json").read_text(encoding="utf-8"))["items"]
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Path, str], Path]:
    base = tmp_path_factory.mktemp("tokenizers")
    made = {}
    for case, mode in CASES:
        made[case, mode] = base / f"{case.name}-{mode}"
        convert_checkpoint(str(case), made[case, mode], choices=Choices(lower_case=mode == "lower"))
    return made


def by(library: str, folder: Path, texts: list[str]) -> list[list[int]]:
    with closing(LIBRARIES[library](folder)) as opened:
        return opened.ids(texts)


@pytest.mark.parametrize(("case", "mode"), CASES, ids=lambda x: x if isinstance(x, str) else x.name)
def test_ids_are_the_originals_but_for_the_documented_cases(
    folders: dict[tuple[Path, str], Path], case: Path, mode: str
) -> None:
    texts = [item["text"] for item in items(case)]
    assert len(texts) == 232
    got = by("tokenizers", folders[case, mode], texts)
    different = {item["text"] for item, ids in zip(items(case), got, strict=True) if item[mode]["ids"] != ids}
    assert different == DOCUMENTED


def test_a_golden_is_converted_with_the_casing_it_was_trained_with(converted: dict[Path, Path]) -> None:
    for case, mode in ((ERF, "lower"), (CYRILLIC, "cased")):
        texts = [item["text"] for item in items(case) if item["text"] not in DOCUMENTED]
        expected = [item[mode]["ids"] for item in items(case) if item["text"] not in DOCUMENTED]
        assert by("tokenizers", converted[case], texts) == expected


def test_capitals_and_letters_with_marks_survive_in_a_cased_model(converted: dict[Path, Path]) -> None:
    upper, lower, yo, ye = by("tokenizers", converted[CYRILLIC], ["Привет", "привет", "ёж", "еж"])
    assert upper != lower
    assert yo != ye


def test_danish_letters_survive_where_the_vocabulary_has_them(tmp_path: Path) -> None:
    vocab = (*VOCAB[:-4], "sål", "sal", "å", "##å")
    convert_checkpoint(str(write_source(tmp_path / "source", vocab=vocab)), tmp_path / "out")
    sole, capital, hall = by("tokenizers", tmp_path / "out", ["sål", "SÅL", "sal"])
    assert sole == capital == [vocab.index("sål")]
    assert hall == [vocab.index("sal")]


def test_the_longest_word_is_the_originals(converted: dict[Path, Path]) -> None:
    said = json.loads((converted[ERF] / "tokenizer.json").read_text())
    assert said["model"]["max_input_chars_per_word"] == 200
    tokens = read_vocab(ERF / "vocab.txt").ids
    letters = [by("tokenizers", converted[ERF], ["a" * count])[0] for count in (150, 200, 201)]
    assert letters[0] != [tokens["[UNK]"]] != letters[1]
    assert letters[2] == [tokens["[UNK]"]]


def test_the_files_name_every_id_and_every_special_token(converted: dict[Path, Path]) -> None:
    for case in (ERF, CYRILLIC):
        vocab = read_vocab(case / "vocab.txt")
        said = json.loads((converted[case] / "tokenizer.json").read_text(encoding="utf-8"))
        assert said["model"]["vocab"] == dict(vocab.ids)
        assert {entry["content"]: entry["id"] for entry in said["added_tokens"]} == {
            token: vocab.ids[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
        }
        config = json.loads((converted[case] / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert config["model_max_length"] == 40
        assert config["model_input_names"] == ["input_ids", "token_type_ids", "attention_mask"]
        special = json.loads((converted[case] / "special_tokens_map.json").read_text())
        assert all(config[kind] == token for kind, token in special.items())


@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
@pytest.mark.parametrize(
    ("part", "damage", "words"),
    [
        ("single", None, None),
        ("single", lambda pieces: pieces.pop(), "'hello world' is fed"),
        ("pair", lambda pieces: pieces.pop(), "'hello world' with 'good day' is fed"),
        ("pair", lambda pieces: pieces[3]["Sequence"].update(type_id=0), "with 1 of 12 in the second segment, by the"),
    ],
)
def test_what_surrounds_texts_is_the_originals(
    converted: dict[Path, Path], tmp_path: Path, library: str, part: str, damage: Any, words: str | None
) -> None:
    folder = shutil.copytree(converted[ERF], tmp_path / "copy")
    said = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    if damage is not None:
        damage(said["post_processor"][part])
    (folder / "tokenizer.json").write_text(json.dumps(said), encoding="utf-8")
    ours = Tokenizer(read_vocab(ERF / "vocab.txt"), lower_case=True, strip_accents=True)
    with closing(LIBRARIES[library](folder)) as theirs:
        found = first_other_row(ours, theirs, ["hello world", "good day"])
    assert found is None if words is None else words in str(found), found


def test_differences_are_counted_and_the_first_is_shown() -> None:
    tokenizer = Tokenizer(read_vocab(ERF / "vocab.txt"), lower_case=True, strip_accents=True)
    texts = ["hello", "good day", "hello."]
    right = [tokenizer.ids(text) for text in texts]
    assert first_difference(tokenizer, texts, right) == (0, "")
    wrong = [right[0], [*right[1][:-1], 100], [*right[2], 100000]]
    count, said = first_difference(tokenizer, texts, wrong)
    assert count == 2
    assert said.startswith(f"'good day': piece {len(right[1]) - 1} on, source ")
    assert "[UNK]" in said
    assert first_difference(tokenizer, texts[2:], wrong[2:])[1].endswith("source 'nothing', artifact '<100000>'")


def test_users_of_transformers_get_the_originals_ids(transformers: Any, folders: dict[tuple[Path, str], Path]) -> None:
    for (case, mode), folder in folders.items():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        texts = [item["text"] for item in items(case)]
        got = tokenizer(texts, add_special_tokens=False)["input_ids"]
        different = {item["text"] for item, ids in zip(items(case), got, strict=True) if item[mode]["ids"] != ids}
        assert different == DOCUMENTED
        ours = Tokenizer(read_vocab(case / "vocab.txt"), lower_case=mode == "lower", strip_accents=mode == "lower")
        encoded, expected = tokenizer("hello", "good day"), ours.encode("hello", "good day", max_length=40)
        assert tuple(encoded["input_ids"]) == expected.input_ids
        assert tuple(encoded["token_type_ids"]) == expected.token_type_ids
        assert tokenizer.model_max_length == 40


def test_a_process_that_fails_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "transformers"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text("raise SystemExit('no such thing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ParityError, match="AutoTokenizer failed: no such thing; convert again"):
        by("transformers", tmp_path, ["hello"])


def test_without_transformers_the_pip_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingRuntime, match="pip install"):
        by("transformers", tmp_path, ["hello"])


# Each of these got other words from the library's own BertNormalizer and BertPreTokenizer.
UNLIKE_BERT_NORMALIZER = {
    "private use stays": "a\ue000b",
    "punctuation of Unicode 9 and later splits": "a\u2e5bb",
    "what is punctuation no more does not": "a\u166db",
    "newer format characters go": "a\u08e2b",
    "extension E stands apart": "a\U0002b8a0b",
    "a final sigma": "ΟΔΟΣ ΑΣ. ΑΣ\u0301 ΣΑΣ ΑΣα Α.Σ.Α Σ",
    "newer marks are stripped": "a\u0898b",
    "newer letters decompose": "a\U00011938b",
}


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("text", UNLIKE_BERT_NORMALIZER.values(), ids=UNLIKE_BERT_NORMALIZER.keys())
def test_words_are_those_of_the_source(text: str, lower: bool) -> None:
    casing = Casing(lower, lower, "")
    library = tokenizers.Tokenizer.from_str(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [],
                "normalizer": normalizer(casing),
                "pre_tokenizer": pre_tokenizer(),
                "model": {
                    "type": "WordPiece",
                    "vocab": {"[UNK]": 0},
                    "unk_token": "[UNK]",
                    "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 200,
                },
            }
        )
    )
    found = library.pre_tokenizer.pre_tokenize_str(library.normalizer.normalize_str(text))
    assert [word for word, _ in found] == words(text, lower_case=lower, strip_accents=lower)
