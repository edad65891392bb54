from __future__ import annotations

import logging
import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def transformers() -> Any:
    """Imported once, and without the TensorFlow that it would import where it finds it."""
    before = os.environ.get("USE_TF")
    os.environ["USE_TF"] = "0"
    try:
        module = pytest.importorskip("transformers", reason='pip install "parity[torch]"')
    finally:
        os.environ.pop("USE_TF") if before is None else os.environ.update(USE_TF=before)
    module.logging.set_verbosity(logging.CRITICAL)
    return module
