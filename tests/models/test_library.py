from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from parity.errors import ParityError
from parity.models import card, card_names
from parity.models.library import read_card

from .support import ROOT, finished, python

GOOGLE = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
BOTXO = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
BASE, LARGE = (12, 768, 12, 3072), (24, 1024, 16, 4096)
# Rows, vocabulary lines, (layers, hidden, heads, intermediate), (lower-case, strip accents), activation, special ids.
PUBLISHED = {
    "bert-base-cased": (28996, 28996, BASE, (False, False), "erf", GOOGLE),
    "bert-base-chinese": (21128, 21128, BASE, (True, True), "erf", GOOGLE),
    "bert-base-multilingual-cased": (119547, 119547, BASE, (False, False), "erf", GOOGLE),
    "bert-base-multilingual-uncased": (105879, 105879, BASE, (True, True), "erf", GOOGLE),
    "bert-base-uncased": (30522, 30522, BASE, (True, True), "erf", GOOGLE),
    "bert-large-cased": (28996, 28996, LARGE, (False, False), "erf", GOOGLE),
    "bert-large-uncased": (30522, 30522, LARGE, (True, True), "erf", GOOGLE),
    "danish-bert": (32000, 31748, BASE, (True, False), "tanh", BOTXO),
    "rubert": (119547, 119547, BASE, (False, False), "erf", GOOGLE),
}
RUBERT = (ROOT / "fixtures" / "models" / "rubert.toml").read_text(encoding="utf-8")


BERTS = tuple(name for name in card_names() if card(name).family == "bert")


def test_names_are_the_nine_published_berts() -> None:
    assert tuple(PUBLISHED) == BERTS


@pytest.mark.parametrize("name", PUBLISHED)
def test_card_holds_the_published_numbers(name: str) -> None:
    rows, lines, shape, casing, activation, special = PUBLISHED[name]
    found = card(name)
    config = found.config
    sizes = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    assert (config["vocab_size"], found.vocabulary.size) == (rows, lines)
    assert found.spare_rows == rows - lines
    assert tuple(config[key] for key in sizes) == shape
    assert (found.casing.lower_case, found.casing.strip_accents) == casing
    assert found.activation.function == activation
    assert found.vocabulary.special == special
    assert (config["hidden_act"], config["max_position_embeddings"], config["type_vocab_size"]) == ("gelu", 512, 2)
    assert found.source.archive.startswith(found.source.folder)
    assert found.source.urls[0].split("?")[0].endswith(found.source.archive)
    assert {f"{found.source.prefix}.index", "bert_config.json", "vocab.txt"} <= set(found.source.files)


def test_card_says_what_is_assumed() -> None:
    assert {name for name in BERTS if card(name).activation.certainty == "assumed"} == {"danish-bert", "rubert"}


def test_configs_keep_the_keys_their_publishers_left_in() -> None:
    with_pooler_keys = {name for name in BERTS if card(name).config.get("directionality") == "bidi"}
    assert with_pooler_keys == {
        "bert-base-chinese",
        "bert-base-multilingual-cased",
        "bert-base-multilingual-uncased",
        "bert-large-cased",
        "danish-bert",
        "rubert",
    }
    assert all(card(name).config["pooler_type"] == "first_token_transform" for name in with_pooler_keys)


def test_spacy_packages_have_names_of_their_own() -> None:
    packages = [found.spacy.package for found in map(card, card_names()) if found.spacy]
    assert len(set(packages)) == len(packages)
    assert card("rubert").spacy.package == "ru_rubert"


@pytest.mark.parametrize(("given", "meant"), [("rubrt", "rubert"), ("Danish-BERT", "danish-bert")])
def test_unknown_name_offers_the_nearest(given: str, meant: str) -> None:
    with pytest.raises(ParityError, match=f"no model card named {given}.*did you mean {meant}\\?"):
        card(given)


def test_cards_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        card("rubert").name = "other"  # type: ignore[misc]


def _written(folder: Path, text: str) -> Path:
    path = folder / "rubert.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_broken_card_tells_every_problem_at_once(tmp_path: Path) -> None:
    broken = RUBERT.replace('title = "RuBERT base, Russian, cased"', "titel = 1").replace(
        '"[SEP]" = 102', '"[SEP]" = 0'
    )
    with pytest.raises(ParityError) as caught:
        read_card(_written(tmp_path, broken))
    message = str(caught.value)
    assert str(tmp_path / "rubert.toml") in message
    assert all(part in message for part in ("titel", "title", "two special tokens share an id"))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("family", "family = [", "not TOML"),
        ('name = "rubert"', 'name = "other"', "named like its file"),
        ("size = 119547", "size = 103", "special id 103 lies outside"),
        ('function = "erf"', 'function = "relu"', "activation.function"),
        ('folder = "rubert', 'folder = "../rubert', "source.folder"),
    ],
)
def test_broken_card_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    with pytest.raises(ParityError, match=what):
        read_card(_written(tmp_path, RUBERT.replace(old, new, 1)))


def test_names_cost_no_pydantic_and_cards_no_framework() -> None:
    code = """
import sys
import parity, parity.models
parity.models.card_names()
assert "pydantic" not in sys.modules
assert "parity.models" in sys.modules
parity.models.resolve("rubert", scale="tiny")
heavy = {"torch", "tensorflow", "transformers", "spacy", "openvino", "onnx", "onnxruntime", "pandas", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""
    assert finished(python(code)) == "[]"


def test_import_of_the_package_alone_loads_no_models() -> None:
    assert (
        finished(python("import sys, parity; print('pydantic' in sys.modules, 'numpy' in sys.modules)"))
        == "False False"
    )


def test_reading_a_card_is_quick() -> None:
    path = ROOT / "fixtures" / "models" / "rubert.toml"

    def once() -> float:
        start = time.perf_counter()
        read_card(path)
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.010
