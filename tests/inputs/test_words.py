"""Transformer-XL's words: vocabularies in every form, the source's rules, the files for the libraries, a stand-in's."""

from __future__ import annotations

import json
import pickle
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_transfo_xl import GOLDEN

from parity.artifacts.tokenizers.words import FILES, write
from parity.errors import ParityError
from parity.inputs.corpora import corpora
from parity.inputs.tokenizers import read_rules
from parity.inputs.words import Tokenizer, read
from parity.models.vocabularies.words import write as write_vocabulary

WORDS = ["<eos>", "<unk>", "the", "The", "cat", ".", "щит"]
LOWER = ["<eos>", "<unk>", "the", "cat", "ς", "σίσυφος"]


def text(folder: Path, words: list[str], name: str = "vocab.txt") -> Path:
    (folder / name).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return folder / name


def pickled(folder: Path, **state: Any) -> Path:
    (folder / "vocab.pkl").write_bytes(pickle.dumps(state, 2))
    return folder / "vocab.pkl"


def test_the_goldens_pickle_is_its_vocabulary() -> None:
    rules = read_rules("words", GOLDEN / "cache.pkl", size=450)
    assert rules.vocab.tokens[:4] == ("<eos>", "w0", "w1", "w2")
    assert rules.describe() == {
        "lower_case": False,
        "ends": "eos",
        "unknown": "<unk>",
        "evidence": "cache.pkl, dataset wt103",
    }
    assert rules.ids("w1 w0  nonsense") == [2, 1, rules.vocab.ids["<unk>"]]
    assert rules.encode("w1 w0", max_length=9).input_ids == (2, 1, 0)
    assert (rules.pad, rules.added, rules.pairs, rules.lower_case) == (0, 1, False, False)


def test_a_pickle_is_told_by_its_first_byte_too(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").write_bytes((GOLDEN / "cache.pkl").read_bytes())
    assert read(tmp_path / "vocabulary", size=450).vocab.tokens[1] == "w0"
    with pytest.raises(ParityError, match="cannot be read"):
        read(tmp_path / "nowhere", size=450)


def test_rows_are_cut_at_their_end_and_keep_what_ends_them(tmp_path: Path) -> None:
    rules = read(text(tmp_path, WORDS), size=7)
    assert rules.encode("The cat . the", max_length=3).input_ids == (3, 4, 0)
    assert rules.encode("The", max_length=1).input_ids == (0,)
    with pytest.raises(ParityError, match="no room"):
        rules.encode("The", max_length=0)
    with pytest.raises(ParityError, match="reads one text"):
        rules.encode("The", "cat", max_length=9)


def test_a_list_of_words_tells_casing_and_ends_as_far_as_it_does(tmp_path: Path) -> None:
    cased = read(text(tmp_path, WORDS), size=7)
    assert (cased.lower_case, cased.ends) == (False, "eos")
    assert "capitals such as 'The'" in cased.evidence
    lower = read(text(tmp_path, LOWER), size=6)
    assert lower.lower_case
    assert lower.tokenize("  THE\tΣίσυφοΣ ") == ["the", "σίσυφος"]
    double = read(text(tmp_path, ["<S>", "<UNK>", "a"]), size=3)
    assert double.encode("a b", max_length=9).input_ids == (0, 2, 1, 0)
    assert double.added == 2
    assert read(text(tmp_path, ["a", "b"]), size=2).encode("b", max_length=4).input_ids == (1,)


def test_text_is_read_as_vocabulary_py_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "1b_word_vocab.txt"
    path.write_text("<S> 5\n<UNK>\n  the 9 9\nthe\ncat\n")
    assert read(path, size=4).vocab.tokens == ("<S>", "<UNK>", "the", "cat")
    path.write_text("a\n\nb\n")
    with pytest.raises(ParityError, match="line 2 is blank"):
        read(path, size=2)
    path.write_text("")
    with pytest.raises(ParityError, match="an empty vocabulary"):
        read(path, size=2)


def test_a_word_that_nothing_stands_for_is_an_error_as_in_the_source(tmp_path: Path) -> None:
    rules = read(text(tmp_path, ["<eos>", "a"]), size=2)
    assert rules.unknown is None
    with pytest.raises(ParityError, match=r"a word that the vocabulary lacks \(got b\)"):
        rules.ids("a b")
    named = read(pickled(tmp_path, idx2sym=["<eos>", "a", "?"], unk_idx=2, lower_case=False), size=3)
    assert named.ids("a b") == [1, 2]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"sym2idx": {}}, "holds no vocabulary"),
        ({"idx2sym": "ab"}, "no list of words"),
        ({"idx2sym": ["a", 3]}, "no list of words"),
        ({"idx2sym": ["a", "a"]}, "stands twice"),
        ({"idx2sym": ["a", ""]}, "entry 1 is no word"),
        ({"idx2sym": ["a\nb"]}, "entry 0 is no word"),
        ({"idx2sym": ["a", "b"], "sym2idx": {"a": 1, "b": 0}}, "name different ids"),
        ({"idx2sym": ["a", "b"], "delimiter": ""}, "something other than white space"),
        ({"idx2sym": ["a", "b", "c"]}, r"does not fit the model \(got 3 words, expected 2"),
    ],
    ids=str,
)
def test_what_is_no_vocabulary_of_this_model_is_refused(tmp_path: Path, state: dict[str, Any], message: str) -> None:
    with pytest.raises(ParityError, match=message):
        read(pickled(tmp_path, **state), size=2)


@pytest.mark.parametrize("noted", ['{"ends": "both"}', '{"more": 1}', "[]", "{", '{"lower_case": "no"}'])
def test_a_note_that_is_not_ours_is_refused(tmp_path: Path, noted: str) -> None:
    (tmp_path / "vocab.json").write_text(noted)
    with pytest.raises(ParityError, match=r"vocab\.json"):
        read(text(tmp_path, WORDS), size=7)


MADE = {
    "golden": lambda folder: read(GOLDEN / "cache.pkl", size=450),
    "cased": lambda folder: read(text(folder, WORDS), size=7),
    "lower": lambda folder: read(text(folder, LOWER), size=6),
    "double": lambda folder: read(text(folder, ["<S>", "<UNK>", "a", "the", "cat"]), size=5),
    "odd words": lambda folder: read(pickled(folder, idx2sym=["<eos>", "a\u3000b", "c\x85", "<unk>"]), size=4),
}
TEXTS = (
    "",
    " \t\n",
    "the The cat .",
    "w1\x1cw2\u3000w3\x85w4\u00a0w5",
    "w1<eos>w2 <eos> <unk>. <unk>",
    "ΣΊΣΥΦΟΣ Σ ΑΣ.",
    "\ufeffthe\u200bcat",
    "<S> a <UNK>",
)


@pytest.mark.parametrize("made", MADE)
def test_the_libraries_give_the_sources_ids(made: str, tmp_path: Path) -> None:
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    rules = MADE[made](tmp_path)
    folder = tmp_path / "written"
    folder.mkdir()
    write(folder, rules, positions=128)
    fast = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    for line in (*TEXTS, *chain.from_iterable(corpora().values())):
        expected = list(rules.encode(line, max_length=1 << 20).input_ids)
        assert fast.encode(line).ids == expected, line
        assert auto(line)["input_ids"] == expected, line
    assert auto.model_max_length > 10**20, "relative positions have no longest row"
    again = read(folder / FILES[0], size=len(rules.vocab.tokens))
    assert (again.vocab.tokens, again.describe()) == (rules.vocab.tokens, rules.describe())
    assert not list(folder.glob("*.pkl"))


@settings(max_examples=300, deadline=None)
@given(line=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_split_alike(line: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    fast, rules = _fast(tmp_path_factory)
    assert fast(tokenizers).encode(line).ids == list(rules.encode(line, max_length=1 << 20).input_ids)


_MADE: list[Any] = []


def _fast(factory: pytest.TempPathFactory) -> tuple[Any, Tokenizer]:
    if not _MADE:
        folder = factory.mktemp("words")
        rules = read(text(folder, WORDS), size=7)
        write(folder, rules, positions=9)
        loaded: list[Any] = []

        def load(tokenizers: Any) -> Any:
            if not loaded:
                loaded.append(tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")))
            return loaded[0]

        _MADE.extend((load, rules))
    return _MADE[0], _MADE[1]


def test_an_unknown_word_is_an_error_in_the_library_too(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    write(tmp_path, read(text(tmp_path, ["<eos>", "a"]), size=2), positions=9)
    fast = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert fast.encode("a").ids == [1, 0]
    with pytest.raises(Exception, match="UNK"):
        fast.encode("b")


def test_a_plain_list_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = text(tmp_path, WORDS)
    before = path.read_bytes()
    write(tmp_path, read(path, size=7), positions=9)
    assert path.read_bytes() == before
    assert json.loads((tmp_path / "vocab.json").read_text())["ends"] == "eos"


def test_a_stand_ins_vocabulary_is_a_corpus_as_published(tmp_path: Path) -> None:
    texts = list(chain.from_iterable(corpora().values()))
    write_vocabulary(tmp_path, texts, size=900, special={"<eos>": 0})
    first = (tmp_path / "cache.pkl").read_bytes()
    rules = read(tmp_path / "cache.pkl", size=900)
    assert rules.vocab.tokens[:3] == ("<eos>", "<unk>", "the")
    assert rules.describe()["evidence"] == "cache.pkl, dataset wt103"
    write_vocabulary(tmp_path, texts, size=900, special={"<eos>": 0})
    assert (tmp_path / "cache.pkl").read_bytes() == first
    write_vocabulary(tmp_path, ["a b"], size=9, special={"<eos>": 0})
    assert read(tmp_path / "cache.pkl", size=9).vocab.tokens[:5] == ("<eos>", "<unk>", "a", "b", "unused1")
    with pytest.raises(ParityError, match="too small"):
        write_vocabulary(tmp_path, ["a b"], size=1, special={"<eos>": 0})
