"""Tokenizer files of OpenAI GPT: the libraries' ids are those of the source's rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_gpt import GOLDEN

from parity.artifacts.tokenizer_ids import Tokenizers, Transformers, first_difference, first_other_row
from parity.artifacts.tokenizers import copy_vocabulary, vocabulary_files, write_tokenizer
from parity.errors import ParityError
from parity.inputs.corpora import corpora
from parity.inputs.gpt_bpe import Tokenizer, read

ENCODER = GOLDEN / "encoder_bpe_40000.json"
TEXTS = [
    *(text for language in corpora().values() for text in language),
    "Don't DON'T I'll've Mr. Smith's U.S. e.g. 10km 5pm $3.50 50% o'clock 'em goin'",
    "a\nb\r\n\n c\u2028d",
    "“Ｆｕｌｌ” ﬁne… — © 20°C ΟΔΟΣ ΣΑΣ İ cafe\u0301 \ufeff\x00",
    "<unk> _start_ _classify_",
    "!!! ??? ''' -- ... :: <<>> == ##",
    "",
    " ",
]


def made(folder: Path, size: int) -> Tokenizer:
    rules = read(ENCODER, size=size)
    write_tokenizer("bpe", folder, rules, positions=40)
    return rules


@pytest.fixture(scope="module", params=[193, 196], ids=["published", "trained"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokenizer]:
    found = tmp_path_factory.mktemp("files")
    return found, made(found, request.param)


def test_tokenizers_alone_gives_the_sources_ids_and_rows(folder: tuple[Path, Tokenizer]) -> None:
    pytest.importorskip("tokenizers", reason='pip install "parity[torch]"')
    path, rules = folder
    library = Tokenizers(path)
    assert first_difference(rules, TEXTS, library.ids(TEXTS)) == (0, "")
    if rules.pairs:
        assert first_other_row(rules, library, TEXTS[:40]) is None
    else:
        assert [row.input_ids for row in library.rows([(text, None) for text in TEXTS])] == [
            tuple(rules.ids(text)) for text in TEXTS
        ]


def test_transformers_gives_them_too(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason='pip install "parity[torch]"')
    rules = made(tmp_path, 196)
    library = Transformers(tmp_path)
    try:
        assert first_difference(rules, TEXTS, library.ids(TEXTS)) == (0, "")
    finally:
        library.close()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizers, Tokenizer]:
    pytest.importorskip("tokenizers", reason='pip install "parity[torch]"')
    found = tmp_path_factory.mktemp("generated")
    rules = made(found, 193)
    return Tokenizers(found), rules


_SIGNS = (
    "don't I'll've Mr. e.g. 10 km 5pm a B ' \" '' . .. … - -- ! ? : < > = # & $ % € ° C © ﬁ “ ’ / ( ) _ cannot 's U.S. "
    "é Σ я 中 。 😀 \u00a0 \u200b \ufeff"
)
_PARTS = st.sampled_from([*_SIGNS.split(" "), " ", "\n", "\t"]) | st.text(max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(_PARTS, max_size=12))
def test_whatever_stands_beside_whatever_the_ids_are_the_same(
    library: tuple[Tokenizers, Tokenizer], parts: list[str]
) -> None:
    found, rules = library
    text = "".join(parts)
    assert first_difference(rules, [text], found.ids([text])) == (0, "")


def test_the_vocabulary_files_are_there_under_both_names_byte_for_byte(tmp_path: Path) -> None:
    made(tmp_path, 193)
    for name, alike in (("encoder_bpe_40000.json", "vocab.json"), ("vocab_40000.bpe", "merges.txt")):
        assert (tmp_path / name).read_bytes() == (tmp_path / alike).read_bytes() == (GOLDEN / name).read_bytes()
    assert vocabulary_files("bpe") == ("encoder_bpe_40000.json", "vocab_40000.bpe")
    (tmp_path / "back").mkdir()
    copy_vocabulary("bpe", tmp_path, tmp_path / "back")
    assert (tmp_path / "back" / "vocab_40000.bpe").read_bytes() == (GOLDEN / "vocab_40000.bpe").read_bytes()


def test_a_directory_by_others_has_them_under_transformers_names(tmp_path: Path) -> None:
    made(tmp_path, 193)
    for name in vocabulary_files("bpe"):
        (tmp_path / name).unlink()
    (tmp_path / "back").mkdir()
    copy_vocabulary("bpe", tmp_path, tmp_path / "back")
    for name in vocabulary_files("bpe"):
        assert (tmp_path / "back" / name).read_bytes() == (GOLDEN / name).read_bytes()
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(ParityError, match=r"no vocab_40000\.bpe in the Hugging Face directory"):
        copy_vocabulary("bpe", tmp_path, tmp_path / "back")


def test_the_config_names_the_generic_class_and_no_token_types(tmp_path: Path) -> None:
    made(tmp_path, 196)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["model_input_names"] == ["input_ids", "attention_mask"]
    assert (config["model_max_length"], config["cls_token"], config["pad_token"]) == (40, "_classify_", "<unk>")
    assert config["split_special_tokens"] is True
