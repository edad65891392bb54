from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Server, serving


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("PARITY_CACHE", str(root))
    monkeypatch.delenv("PARITY_MODELS", raising=False)
    monkeypatch.delenv("PARITY_CACHE_LIMIT", raising=False)
    return root


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server on the loopback, asked directly and again without a pause."""
    from parity.models.fetch import resume

    monkeypatch.setattr(resume, "pause_s", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as found:
        yield found
