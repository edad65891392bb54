"""A cache of this session's own, and in it small sources whose vocabulary covers the corpora."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.models import Source, resolve
from slow.environments import ROOT, kept

sys.path.append(str(Path(__file__).parents[1] / "report"))  # synthetic_run
sys.path.append(str(ROOT / "bench"))  # _goldens
PINS = Path(__file__).with_name("transformers5.txt")
REQUIREMENTS = ("torch==2.13.0", "transformers>=5,<6", "safetensors", "numpy")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PARITY_MODELS", raising=False)
        yield


@pytest.fixture(scope="session")
def stand_ins(own_cache: None) -> dict[str, Source]:
    """Tiny stand-ins by card name, one of each casing. Read only."""
    return {name: resolve(name, scale="tiny") for name in ("rubert", "danish-bert", "bert-base-uncased")}


@pytest.fixture(scope="session")
def python5() -> Path:
    """The interpreter of an environment with transformers 5."""
    return kept("transformers5", REQUIREMENTS, constraints=PINS)
