from __future__ import annotations

from pathlib import Path

import pytest

from parity.models import card, card_names, describe

# Trainable numbers of the published pre-training graphs.
PARAMETERS = {"rubert": 178_566_653, "bert-base-uncased": 110_106_428, "bert-large-uncased": 336_226_108}


@pytest.mark.parametrize("name", PARAMETERS)
def test_size(name: str) -> None:
    assert describe(card(name)).parameters == PARAMETERS[name]


def test_line() -> None:
    found = describe(card("danish-bert"))
    assert (found.name, found.family, found.vocabulary, found.layers) == ("danish-bert", "bert", 32000, 12)
    assert (found.casing, found.activation, found.licence) == ("uncased, accents kept", "tanh (assumed)", "CC-BY-4.0")
    assert describe(card("bert-base-cased")).casing == "cased"


def test_whether_weights_are_there(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {describe(card(name)).weights for name in card_names()} == {None}
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    for place in (tmp_path / "rubert", cache / "models" / "danish-bert"):
        place.mkdir(parents=True)
    assert describe(card("rubert")).weights == tmp_path / "rubert"
    assert describe(card("danish-bert")).weights == cache / "models" / "danish-bert"
