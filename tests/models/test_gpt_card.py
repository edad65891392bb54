"""OpenAI GPT's card, its stand-ins in the published files, and their vocabulary."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.inputs.corpora import corpora
from parity.inputs.gpt_bpe import read
from parity.models import card
from parity.models.standin import blueprint, build_stand_in
from parity.models.vocabularies import write_vocabulary


def texts() -> list[str]:
    return list(chain.from_iterable(corpora().values()))


def test_the_card_has_the_published_shape() -> None:
    published = blueprint(card("openai-gpt"))
    sizes = [variable.shape for variable in published.variables]
    assert len(sizes) == 146
    assert sizes[:2] == [(512, 768), (40478, 768)]
    assert card("openai-gpt").source.prefix == "params_shapes.json"
    assert len(card("openai-gpt").source.files) == 13


def test_a_stand_in_is_read_as_the_published_files_are(tmp_path: Path) -> None:
    build_stand_in(card("openai-gpt"), scale="tiny", folder=tmp_path / "gpt")
    plan = blueprint(card("openai-gpt"), "tiny")
    with open_checkpoint(tmp_path / "gpt") as opened:
        assert opened.format == "openai-params"
        assert {name: entry.shape for name, entry in opened.entries.items()} == {
            v.name: v.shape for v in plan.variables
        }
        assert abs(float(opened.read("model/h1/ln_2/g").mean()) - 1) < 0.1
    assert json.loads((tmp_path / "gpt" / "config.json").read_text())["n_head"] == plan.config.heads
    rules = read(tmp_path / "gpt" / "encoder_bpe_40000.json", size=plan.config.vocab_size)
    assert rules.unknown == "<unk>"
    assert not rules.special


@pytest.mark.parametrize("size", [400, 2000, 40478])
def test_a_vocabulary_holds_its_size_and_spells_the_corpora(tmp_path: Path, size: int) -> None:
    write_vocabulary("bpe", tmp_path, texts(), size=size, special={"<unk>": 0})
    rules = read(tmp_path / "encoder_bpe_40000.json", size=size)
    assert rules.ids("a\nb").count(0) == 0
    pieces = [piece for text in corpora()["en"] for piece in rules.tokenize(text)]
    assert pieces.count("<unk>") < len(pieces) // 50
    assert any(len(piece.removesuffix("</w>")) > 1 for piece in pieces)


def test_the_same_texts_make_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_vocabulary("bpe", tmp_path / name, texts(), size=500, special={"<unk>": 0})
    for file in ("encoder_bpe_40000.json", "vocab_40000.bpe"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(("size", "special"), [(50, {"<unk>": 0}), (500, {"<unk>": 7})])
def test_no_room_or_another_unknown_is_refused(tmp_path: Path, size: int, special: dict[str, int]) -> None:
    with pytest.raises(ParityError, match="no such vocabulary of GPT"):
        write_vocabulary("bpe", tmp_path, texts(), size=size, special=special)
