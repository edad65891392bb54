"""The tokenizer files of a converted GPT-2 give the source's ids in the libraries, whatever the text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_gpt2 import GOLDEN

from parity.artifacts.tokenizer_ids import Transformers
from parity.artifacts.tokenizers.byte_bpe import ALIKE, FILES, write
from parity.inputs.byte_bpe import END, read

tokenizers = pytest.importorskip("tokenizers")
RULES = read(GOLDEN / "encoder.json", size=355)
ITEMS = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))["items"]
# Where the tables of Unicode differ between versions, and what a pattern may take for white space.
_TURNS = st.sampled_from(
    [
        *("'s", "'LL", " ", "  ", "\n", "\u00a0", "\u1680", "\u180e", "\u200b", "\u3000", "\x1c", "\x85", "½", "Ⅷ"),
        *("и\u0306", "\u1c89", "\ua7cb", "\U00010d50", "\U0001e5d0", "\U00011bf0", "\ud7ff", "\ue000", "\U000e0001"),
        END,
    ]
)
TEXTS = st.lists(st.one_of(_TURNS, st.text(st.characters(exclude_categories=("Cs",)), max_size=6)), max_size=8).map(
    "".join
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("tokenizer")
    write(found, RULES, positions=40)
    (found / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def library(folder: Path) -> Callable[[str], list[int]]:
    loaded = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda text: list(loaded.encode(text).ids)


def test_every_golden_text_gets_the_originals_ids(library: Callable[[str], list[int]]) -> None:
    assert [library(item["text"]) for item in ITEMS] == [item["ids"] for item in ITEMS]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_any_text_gets_the_sources_ids(library: Callable[[str], list[int]], text: str) -> None:
    assert library(text) == RULES.ids(text)


def test_every_character_is_of_the_kind_that_the_source_takes_it_for(library: Callable[[str], list[int]]) -> None:
    """Every code point next to a letter: one that is taken for another kind shows in where the text is cut."""
    codes = [code for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(codes), 4096):
        text = "".join(f"x{chr(code)}" for code in codes[start : start + 4096])
        assert library(text) == RULES.ids(text)


def test_transformers_follows_even_where_a_text_names_a_special_token(folder: Path) -> None:
    pytest.importorskip("transformers")
    theirs = Transformers(folder)
    try:
        texts = [*(item["text"] for item in ITEMS), f"a{END}b", END]
        assert theirs.ids(texts) == [RULES.ids(text) for text in texts]
        rows = theirs.rows([(text, None) for text in texts])
        assert rows == [RULES.encode(text, max_length=1 << 20) for text in texts]
    finally:
        theirs.close()


def test_the_sources_files_are_kept_under_both_names(folder: Path) -> None:
    for names in (FILES, ALIKE):
        for original, name in zip(("encoder.json", "vocab.bpe"), names, strict=True):
            assert (folder / name).read_bytes() == (GOLDEN / original).read_bytes()
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["model_input_names"] == ["input_ids", "attention_mask"]
    assert config["model_max_length"] == 40
    assert (config["bos_token"], config["eos_token"]) == (END, END)
