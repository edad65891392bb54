"""A cache of this session's own: stand-ins and artifacts are built once, and never met by other sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PARITY_MODELS", raising=False)
        yield
