"""Artifacts of a run, built once per source and kept in the cache under the digest of all that decides about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from parity.checkpoints import fingerprint, open_checkpoint
from parity.errors import ParityError
from parity.models.cache import build_once, cache_root

if TYPE_CHECKING:
    from parity.models import Source

# Distributions whose version decides what an exporter writes.
_EXPORTERS = {
    "pytorch": (),
    "tensorflow": (),
    "openvino": ("openvino",),
    "onnx": ("onnx", "onnxruntime"),
    "spacy": ("spacy", "spacy-transformers", "torch", "transformers"),
}
_OURS = ("artifacts", "checkpoints", "families", "graphfile", "inputs", "weights")
_REFERENCES = {
    "oracle": ("backends", "families", "ops.py"),
    "floor": ("backends", "families", "ops.py", "measure/floor.py", "measure/places.py"),
    "visibility": ("backends", "families", "ops.py", "measure"),
}


def source_digest(source: Source) -> str:
    """SHA-256 over what tells the checkpoint's tensors apart, config and vocabulary."""
    card = source.card.model_dump_json().encode() if source.card else b""
    with open_checkpoint(source.checkpoint) as checkpoint:
        told = fingerprint(checkpoint)
    beside = [path.read_bytes() for path in (source.config, source.vocab) if path is not None]
    return _digest([told.encode(), *beside]) + _digest([card])[:8]


def artifact(source: Source, kind: str, build: Callable[[Path], None], *, form: str = "") -> Path:
    """The folder of one artifact, built by `build` if the cache has none from this source, code and these exporters.

    `form` tells apart what is converted with options of its own.
    """
    versions = "".join(f"{name}={_version(name)};" for name in _EXPORTERS[kind])
    parts = (source_digest(source), kind, versions, code_digest(_OURS), *filter(None, [form]))
    key = _digest(part.encode() for part in parts)
    return build_once(cache_root() / "artifacts" / f"{source.name}-{kind}{form and '-'}{form}-{key[:16]}", build)


def reference_traces(
    name: str, source: Source, inputs: str, taps: Iterable[str], head: str, build: Callable[[Path], None]
) -> Path:
    """A reference's traces (`oracle`, `floor`) of these inputs and taps, computed by `build` if the cache has none."""
    named = "\n".join([*sorted(taps), head])
    versions = f"numpy={_version('numpy')};scipy={_version('scipy')}"
    parts = [source_digest(source), inputs, named, versions, code_digest(_REFERENCES[name])]
    key = _digest(part.encode() for part in parts)
    return build_once(cache_root() / name / f"{source.name}-{key[:16]}", build)


@cache
def code_digest(parts: tuple[str, ...]) -> str:
    """SHA-256 over this package's own source below the named parts: results of other code are not reused."""
    root = Path(__file__).parents[1]
    files = (file for part in parts for file in sorted((root / part).rglob("*.py")) or [root / part])
    return _digest(file.read_bytes() for file in files)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def _digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()


def missing_exporter(kind: str) -> ParityError | None:
    """What would have to be installed to make this kind of artifact; None if all is there."""
    from parity.artifacts.convert import check_request

    try:
        check_request(kind, "safetensors", {})
    except ParityError as error:
        return error
    return None
