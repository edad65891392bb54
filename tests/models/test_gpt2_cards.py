"""The four published sizes of GPT-2, and stand-ins of them in the original's own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from parity.checkpoints import open_checkpoint
from parity.families import family
from parity.families.gpt2.heads import LM
from parity.inputs.tokenizers import read_rules
from parity.models import card, card_names
from parity.models.standin import blueprint, write_stand_in

# Folder of the release, n_embd, n_head, n_layer; parameters are those that the weights' file holds.
PUBLISHED = {
    "gpt2": ("124M", 768, 12, 12, 124_439_808),
    "gpt2-large": ("774M", 1280, 20, 36, 774_030_080),
    "gpt2-medium": ("355M", 1024, 16, 24, 354_823_168),
    "gpt2-xl": ("1558M", 1600, 25, 48, 1_557_611_200),
}


def test_names_are_the_four_published_sizes() -> None:
    assert tuple(name for name in card_names() if card(name).family == "gpt2") == tuple(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_card_holds_the_published_numbers(name: str) -> None:
    folder, width, heads, layers, parameters = PUBLISHED[name]
    found = card(name)
    assert found.config == {"n_vocab": 50257, "n_ctx": 1024, "n_embd": width, "n_head": heads, "n_layer": layers}
    assert (found.vocabulary.size, found.vocabulary.special, found.spare_rows) == (50257, {"<|endoftext|>": 50256}, 0)
    assert all(url.endswith(f"/gpt-2/models/{folder}") for url in found.source.urls)
    assert {"model.ckpt.index", "hparams.json", "encoder.json", "vocab.bpe"} <= set(found.source.files)
    counted = 0
    for variable in blueprint(found).variables:
        size = 1
        for axis in variable.shape:
            size *= axis
        counted += size
    assert counted == parameters


def test_a_stand_in_is_what_its_family_reads(tmp_path: Path) -> None:
    write_stand_in(card("gpt2"), scale="tiny", folder=tmp_path)
    gpt2 = family("gpt2")
    raw = json.loads((tmp_path / "hparams.json").read_text(encoding="utf-8"))
    config = gpt2.read_config(raw, where=tmp_path / "hparams.json")
    with open_checkpoint(tmp_path / "model.ckpt") as checkpoint:
        shapes = {name: entry.shape for name, entry in checkpoint.entries.items()}
    assert gpt2.recognises(shapes)
    assert gpt2.misfits(config, shapes) == []
    assert {variable.name for variable in gpt2.variables(config, LM)} <= shapes.keys()
    rules = read_rules(gpt2.tokenizer, tmp_path / "encoder.json", size=config.vocab_size)
    assert rules.ids("Hello") == rules.ids("Hello")
    assert rules.pad == config.vocab_size - 1
