"""The weights that lie in a spaCy pipeline."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.tensorfile import Array

WEIGHTS = "transformer/model"
"""The file that spacy-transformers keeps them in, below the pipeline's folder."""


def find_pipeline(folder: Path) -> Path:
    """The pipeline's folder: `folder` itself, or the one in the package that `export` wrote there.

    Raises:
        ParityError: there is none, or more than one.
    """
    found = [folder] if (folder / "config.cfg").is_file() else [path.parent for path in folder.glob("*/*/config.cfg")]
    if len(found) != 1:
        remedy = "name a folder that `parity convert --to spacy` wrote"
        raise ParityError(
            "no spaCy pipeline here", where=folder, got=f"{len(found)} of them", expected=1, remedy=remedy
        )
    return found[0]


def pipeline_tensors(folder: Path) -> dict[str, Array]:
    """Every tensor of the pipeline in or under `folder`, by the names its model class gives them.

    The file is msgpack, and inside it PyTorch's own format, read with `weights_only`: no pickle is executed.

    Raises:
        ParityError: no pipeline, or its weights are not as spacy-transformers 1.4 writes them.
    """
    import srsly  # type: ignore[import-untyped]
    import torch

    path = find_pipeline(folder) / WEIGHTS
    try:
        outer: Any = srsly.msgpack_loads(path.read_bytes())
        (packed,) = [shim for shims in outer["shims"] for shim in shims]
        del outer
        state = srsly.msgpack_loads(packed)["state"]
        del packed
        loaded = torch.load(BytesIO(state), map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in loaded.items()}
    except Exception as error:  # a damaged file fails in as many ways as three formats know
        raise ParityError(
            f"its weights cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}",
            where=path,
            remedy="convert again",
        ) from error
