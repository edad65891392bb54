"""A cache of this session's own, and small sources whose vocabulary covers the corpora."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PARITY_MODELS", raising=False)
        yield


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny checkpoints by card name. Read only."""
    from parity.models import build_stand_in, card

    root = tmp_path_factory.mktemp("stand-ins")
    found = {name: root / name for name in ("rubert", "danish-bert", "bert-base-uncased")}
    for name, folder in found.items():
        build_stand_in(card(name), scale="tiny", folder=folder)
    return found
