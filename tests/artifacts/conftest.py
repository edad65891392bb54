from __future__ import annotations

import logging
from typing import Any

import pytest


@pytest.fixture(scope="session")
def transformers() -> Any:
    """Imported once, and quiet."""
    module = pytest.importorskip("transformers", reason='pip install "parity[torch]"')
    module.logging.set_verbosity(logging.CRITICAL)
    return module
