"""Importing TensorFlow without its greeting."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile


@contextmanager
def unheard() -> Iterator[None]:
    """Hold back what is written to standard error, and give it out after all if the block fails.

    TensorFlow tells there what it was built with while it is imported, before its log level is read.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            with os.fdopen(os.dup(2), "wb") as out:
                shutil.copyfileobj(held, out)
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
