"""What several stations' tests share: converted goldens, made once. No framework is loaded here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_bert import CYRILLIC, ERF, golden_inputs

# Whoever imports transformers in this process shall not wait for the TensorFlow that it would import besides.
os.environ.setdefault("USE_TF", "0")


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Both BERT goldens as Hugging Face directories. Read only: copy before changing."""
    from parity.artifacts import convert_checkpoint

    folder = tmp_path_factory.mktemp("converted")
    for case in (ERF, CYRILLIC):
        convert_checkpoint(str(case), folder / case.name)
    return {case: folder / case.name for case in (ERF, CYRILLIC)}


@pytest.fixture(scope="session")
def golden_batches(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """The goldens' batches as INPUTS files."""
    folder = tmp_path_factory.mktemp("batches")
    return {case: golden_inputs(case, folder / f"{case.name}.npz") for case in (ERF, CYRILLIC)}
