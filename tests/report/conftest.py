"""Fixtures of the report tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_run import MakeEvents, write_run

from parity.report import charts


@pytest.fixture
def make_events(tmp_path: Path) -> MakeEvents:
    """Writes a synthetic run (options: `write_run`) and returns its folder."""

    def make(**options: Any) -> Path:
        return write_run(tmp_path / "run", **options)

    return make


@pytest.fixture
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `report` were not installed."""
    monkeypatch.setattr(charts, "available", lambda: False)
