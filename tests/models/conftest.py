from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("PARITY_CACHE", str(root))
    monkeypatch.delenv("PARITY_MODELS", raising=False)
    monkeypatch.delenv("PARITY_CACHE_LIMIT", raising=False)
    return root
