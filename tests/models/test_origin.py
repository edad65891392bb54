"""Where weights come from, as a card may say it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from parity.models import card, card_names
from parity.models.fetch.plan import items
from parity.models.schema import Origin

SHA = "0" * 64
SINGLE = {"urls": ["https://a/b/"], "folder": "f", "prefix": "model/m.ckpt", "files": ["model/m.ckpt.index", "x.json"]}


def test_single_files_lie_under_each_mirror() -> None:
    urls = ["https://a/b/", "https://c"]
    origin = Origin.model_validate({**SINGLE, "urls": urls, "hashes": {"x.json": SHA}})
    found = items(card("rubert").model_copy(update={"source": origin}))
    assert [(item.name, item.urls, item.sha256, item.is_archive) for item in found] == [
        ("model/m.ckpt.index", ("https://a/b/model/m.ckpt.index", "https://c/model/m.ckpt.index"), None, False),
        ("x.json", ("https://a/b/x.json", "https://c/x.json"), SHA, False),
    ]


def test_an_archive_is_one_item_by_its_own_addresses() -> None:
    origin = Origin.model_validate({**SINGLE, "urls": ["https://a/z?dl=1"], "archive": "z.zip", "sha256": SHA})
    (item,) = items(card("rubert").model_copy(update={"source": origin}))
    assert (item.name, item.urls, item.sha256, item.is_archive) == ("z.zip", ("https://a/z?dl=1",), SHA, True)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"files": []}, "at least 1"),
        ({"files": ["../x"]}, "pattern"),
        ({"files": ["/x"]}, "pattern"),
        ({"files": ["a//x"]}, "pattern"),
        ({"files": ["a/.hidden"]}, "pattern"),
        ({"files": ["a\\x"]}, "pattern"),
        ({"prefix": "../m"}, "pattern"),
        ({"files": ["x", "X"]}, "same name"),
        ({"files": ["a", "a/x"]}, "both a file and a folder"),
        ({"sha256": SHA}, "there is none"),
        ({"hashes": {"y": SHA}}, "no file of this model"),
        ({"hashes": {"x.json": "abc"}}, "pattern"),
        ({"archive": "z.zip", "hashes": {"x.json": SHA}}, "single files"),
        ({"urls": ["https://a/b?c"]}, "no query"),
        ({"urls": ["ftp://a/b"]}, "pattern"),
    ],
)
def test_what_cannot_be_fetched_is_no_origin(changes: dict[str, object], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Origin.model_validate({**SINGLE, **changes})


@pytest.mark.parametrize("name", card_names())
def test_the_cards_that_ship_can_be_planned(name: str) -> None:
    planned = items(card(name))
    assert all(item.urls and all(url.startswith("http") for url in item.urls) for item in planned)
    assert all(item.is_archive for item in planned) == (card(name).source.archive is not None)
