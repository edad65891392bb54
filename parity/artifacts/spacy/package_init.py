"""A transformer converted for spaCy. `spacy.load` by this package's name, or `load()` here, gives the pipeline.

`attach(doc)` gives a document that came out of `to_bytes` or of a worker process its similarity back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import get_model_meta, load_model_from_init_py

from .component import attach, register

__all__ = ["attach", "load"]
__version__: str = get_model_meta(Path(__file__).parent)["version"]

register(__name__)


def load(**overrides: Any) -> Language:
    """The pipeline; takes what `spacy.load` takes besides the name."""
    return load_model_from_init_py(__file__, **overrides)
