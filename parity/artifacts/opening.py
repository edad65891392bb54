"""From whatever a user names to a model's source: a card, a checkpoint, or a Hugging Face directory.

A Hugging Face directory becomes a checkpoint in the source's own names, by the inverse of the weight table, once, in
the cache: everything else then works on it as on any other source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.artifacts.hf_folder import is_hf_folder, read_hf_folder
from parity.artifacts.proof import FILE, read_proof
from parity.artifacts.tensorflow import derive
from parity.checkpoints import file_digest
from parity.errors import ParityError
from parity.models import Source, resolve
from parity.models.cache import build_once, cache_limit, cache_root, evict, expanded
from parity.models.sources import slug

if TYPE_CHECKING:
    from parity.models import Scale


def resolve_model(
    model: str,
    *,
    scale: Scale = "full",
    config: Path | None = None,
    vocab: Path | None = None,
    family: str | None = None,
    rename: Mapping[str, str] | None = None,
    tokenizer: bool = True,
) -> Source:
    """Find the model that `model` names: see `parity.models.resolve`; a Hugging Face directory is one, too.

    Raises:
        ParityError: there is no such model, or parts of it are missing or do not fit each other.
    """
    if not model or not is_hf_folder(expanded(model)):
        return resolve(
            model, scale=scale, config=config, vocab=vocab, family=family, rename=rename, tokenizer=tokenizer
        )
    folder = expanded(model)
    for option, given in {"--config": config, "--family": family, "--map": rename}.items():
        if given:
            raise ParityError(f"{option} is for checkpoints: a Hugging Face directory says it itself", where=folder)
    held = cache_root() / "sources" / f"{slug(folder, folder)}-{_digest(folder, tokenizer=tokenizer)[:16]}"

    def fill(empty: Path) -> None:
        derive(folder, empty, tokenizer=tokenizer)

    build_once(held, fill)
    evict(cache_root(), cache_limit())
    architecture = read_hf_folder(folder).family
    found = resolve(str(held / architecture.prefix), vocab=vocab, family=architecture.name, tokenizer=tokenizer)
    note = "" if scale == "full" else f"--scale {scale} is for stand-ins; this directory is taken as it is"
    return replace(found, name=slug(folder, folder), note=note, casing=_casing(folder), origin=folder)


def _digest(folder: Path, *, tokenizer: bool) -> str:
    total = hashlib.sha256(str(tokenizer).encode())
    hf = read_hf_folder(folder)
    beside = (
        path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in (".json", ".txt", ".model")
    )
    for path in dict.fromkeys([*hf.files, *beside]):
        total.update(path.name.encode() + file_digest(path))
    return total.hexdigest()


def _casing(folder: Path) -> tuple[bool, bool] | None:
    """(lower-case, strip accents) as the directory's own tokenizer is set; None where it does not say."""
    if (folder / FILE).is_file():
        said: Mapping[str, Any] = read_proof(folder).casing
        return (bool(said["lower_case"]), bool(said["strip_accents"])) if "strip_accents" in said else None
    try:
        raw = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        lower = raw.get("do_lower_case")
        strip = raw.get("strip_accents")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(lower, bool):
        return None
    return lower, strip if isinstance(strip, bool) else lower
