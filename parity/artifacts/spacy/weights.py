"""The file that spacy-transformers 1.4 keeps a model in: msgpack within msgpack, and in it PyTorch's own format."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from parity.errors import ParityError
from parity.tensorfile import Array

WEIGHTS = "transformer/model"
"""The file, below the pipeline's folder."""

_MARK = b"the weights belong here"
_MARKED = b"\xc4" + bytes([len(_MARK)]) + _MARK
"""The mark as msgpack writes it: a short binary."""


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


def put_weights(pipeline: Path, state: Mapping[str, Any]) -> None:
    """Put PyTorch tensors into the file of a pipeline that was written without any.

    spacy-transformers itself would copy all weights four times on their way; here they are written once, in place,
    and the two lengths before them afterwards.
    """
    import srsly  # type: ignore[import-untyped]
    import torch

    path = pipeline / WEIGHTS
    outer: Any = srsly.msgpack_loads(path.read_bytes())
    (shims,) = [shims for shims in outer["shims"] if shims]
    shim = srsly.msgpack_loads(shims[0])
    shims[0], shim["state"] = _MARK, _MARK
    before, after = srsly.msgpack_dumps(outer).split(_MARKED)
    inner_before, inner_after = srsly.msgpack_dumps(shim).split(_MARKED)
    with path.open("wb") as file:
        file.write(before)
        shim_at = _open_binary(file)
        file.write(inner_before)
        state_at = _open_binary(file)
        torch.save(dict(state), file)
        _close_binary(file, state_at)
        file.write(inner_after)
        _close_binary(file, shim_at)
        file.write(after)


def _open_binary(file: BinaryIO) -> int:
    """Begin a msgpack binary whose length is not known yet; where its content begins."""
    file.write(b"\xc6" + bytes(4))
    return file.tell()


def _close_binary(file: BinaryIO, start: int) -> None:
    length = file.tell() - start
    if length >= 1 << 32:
        raise ParityError("too large for spaCy's file format", got=f"{length} bytes", expected="less than 4 GiB")
    file.seek(start - 4)
    file.write(length.to_bytes(4, "big"))
    file.seek(start + length)


def pipeline_tensors(folder: Path) -> dict[str, Array]:
    """Every tensor of the pipeline in or under `folder`, by the names its model class gives them.

    PyTorch's format is read with `weights_only`: no pickle is executed.

    Raises:
        ParityError: no pipeline, or its weights are not as spacy-transformers 1.4 writes them.
    """
    import srsly
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
