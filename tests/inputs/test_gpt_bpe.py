"""OpenAI GPT's tokenizer: the words that the original's own code cut, and what surrounds a text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_gpt import GOLDEN

from parity.errors import ParityError
from parity.inputs.gpt_bpe import SPECIAL, Tokenizer, read
from parity.inputs.tokenizers import read_rules

ENCODER = GOLDEN / "encoder_bpe_40000.json"
WORDS: dict[str, list[int]] = json.loads((GOLDEN / "meta.json").read_text())["bpe_words"]


@pytest.fixture(scope="module")
def rules() -> Tokenizer:
    return read(ENCODER, size=193)


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return read(ENCODER, size=196)


def test_every_word_is_cut_as_the_originals_own_code_cut_it(rules: Tokenizer) -> None:
    assert len(WORDS) > 100
    for word, ids in WORDS.items():
        assert [rules.vocab.ids.get(piece, 0) for piece in rules.pieces(word)] == ids, word


def test_a_text_is_its_words_pieces(rules: Tokenizer) -> None:
    text = "The quick brown fox isn't lazy."
    expected = ["the", "quick", "brown", "fox", "is", "n't", "lazy", "."]
    # The golden's words are given whole; n't is spelt by the merges alone.
    known = [WORDS.get(word) or [rules.vocab.ids.get(piece, 0) for piece in rules.pieces(word)] for word in expected]
    assert rules.ids(text) == [number for ids in known for number in ids]
    assert rules.tokenize("the") == ["the</w>"]


def test_what_the_vocabulary_lacks_is_the_unknown_and_zero(rules: Tokenizer) -> None:
    assert rules.unknown == "<unk>"
    assert rules.tokenize("ж") == ["<unk>"]
    assert rules.ids("жж a\nb") == [0, 0, 67, rules.vocab.ids["\n</w>"], rules.vocab.ids["b</w>"]]
    assert rules.pad == 0


def test_a_special_tokens_name_in_a_text_is_text(trained: Tokenizer) -> None:
    assert not set(trained.ids("_start_ <unk> _classify_")) & {193, 194, 195}
    assert trained.ids("<unk>") != [0]


def test_published_weights_have_one_text_and_nothing_around_it(rules: Tokenizer) -> None:
    assert (rules.added, rules.pairs, rules.lower_case, rules.special) == (0, False, True, False)
    row = rules.encode("hello world", max_length=9)
    assert row.input_ids == tuple(WORDS["hello"] + WORDS["world"])
    assert row.token_type_ids == (0,) * len(row.input_ids)
    assert rules.encode("hello world", max_length=1).input_ids == tuple(WORDS["hello"])
    with pytest.raises(ParityError, match="one text"):
        rules.encode("a", "b", max_length=9)


def test_trained_weights_have_their_special_tokens_around_texts(trained: Tokenizer) -> None:
    assert [trained.vocab.ids[token] for token in SPECIAL] == [193, 194, 195]
    assert (trained.added, trained.pairs) == (2, True)
    hello, world = WORDS["hello"], WORDS["world"]
    assert trained.encode("hello", max_length=9).input_ids == (193, *hello, 195)
    assert trained.encode("hello", "world", max_length=9).input_ids == (193, *hello, 194, *world, 195)
    cut = trained.encode("hello hello hello", "world", max_length=5)
    assert cut.input_ids == (193, *hello, 194, *world, 195)
    with pytest.raises(ParityError, match="no room"):
        trained.encode("hello", max_length=1)


def test_the_proof_says_what_the_rules_are(trained: Tokenizer) -> None:
    said = trained.describe()
    assert said["special"] == {"_start_": 193, "_delimiter_": 194, "_classify_": 195}
    assert (said["kind"], said["lower_case"], said["pad"], said["merges"]) == ("BPE", True, 0, len(trained.ranks))
    json.dumps(said)


def test_the_kind_is_known_by_its_name(rules: Tokenizer) -> None:
    assert read_rules("bpe", ENCODER, size=193).vocab == rules.vocab


def drop_a_symbol(folder: Path) -> None:
    path = folder / ENCODER.name
    held = json.loads(path.read_text())
    held["other"] = held.pop("the</w>")
    path.write_text(json.dumps(held))


@pytest.mark.parametrize(
    ("damage", "size", "words"),
    [
        (lambda folder: None, 200, "193 entries"),
        (lambda folder: None, 190, "193 entries"),
        (lambda folder: (folder / "vocab_40000.bpe").unlink(), 193, "no vocab_40000.bpe or merges.txt beside it"),
        (drop_a_symbol, 193, "no id for 'the</w>' of vocab_40000.bpe"),
        (lambda folder: (folder / ENCODER.name).write_text("[1"), 193, "not JSON"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], size: int, words: str
) -> None:
    for name in (ENCODER.name, "vocab_40000.bpe"):
        shutil.copyfile(GOLDEN / name, tmp_path / name)
    damage(tmp_path)
    with pytest.raises(ParityError) as caught:
        read(tmp_path / ENCODER.name, size=size)
    assert words in str(caught.value)
