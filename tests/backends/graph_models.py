"""The tiny folders of the export tests, for tests that run what was exported."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _load(Path(__file__).parents[1] / "artifacts" / "graph_folders.py")
runs = _load(Path(__file__).parents[1] / "artifacts" / "graph_runs.py")
transfo_xl = _load(Path(__file__).parents[1] / "artifacts" / "transfo_xl_folders.py")
