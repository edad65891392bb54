"""The sentences that ship, and where they are found."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

import parity
from parity.errors import ParityError
from parity.inputs.corpora import CORPORA, corpora, sentences
from parity.inputs.fixtures import fixtures_root

LETTERS = {
    "ru": "йёЁъщ№«»",
    "da": "æøåÅé»§",
    "en": "é'\"&;",
    "zh": "“，。？AGX",
    "mixed": "йёåßλ你₽🙂\u0306\u200b\u00a0",
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_varied(name: str) -> None:
    texts = corpora()[name]
    assert len(texts) == len(set(texts)) == 60
    assert min(map(len, texts)) <= 7
    assert max(map(len, texts)) >= 70
    assert any(char.isdigit() for char in "".join(texts))
    assert [char for char in LETTERS[name] if char not in "".join(texts)] == []


def test_no_sentence_spells_a_special_token_or_holds_what_runtimes_may_drop() -> None:
    for text in sentences():
        assert not any(token in text for token in ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]")), text
        assert not {unicodedata.category(char) for char in text} & {"Cc", "Cs", "Co", "Cn"}, text


def test_languages_take_turns() -> None:
    texts = sentences()
    assert len(texts) == 300
    for number in (0, 100, 295):
        row = list(texts[number : number + 5])
        assert row == [corpora()[name][number // 5] for name in CORPORA]


def test_found_when_installed_and_missed_with_a_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "parity"
    (package / "fixtures" / "corpora").mkdir(parents=True)
    monkeypatch.setattr(parity, "__file__", str(package / "__init__.py"))
    assert fixtures_root() == package / "fixtures"
    (package / "fixtures" / "corpora").rmdir()
    with pytest.raises(ParityError, match=r"own data is missing.*install parity again"):
        fixtures_root()
