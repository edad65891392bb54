"""Write the Hugging Face directory, spaCy package, OpenVINO IR, ONNX file, TensorFlow checkpoint; and prove them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.artifacts.convert import KINDS, convert, convert_folder
from parity.artifacts.proof import Proof, read_proof
from parity.artifacts.source import Choices

if TYPE_CHECKING:
    from parity.models import Card

__all__ = [
    "KINDS",
    "Choices",
    "Proof",
    "convert",
    "convert_checkpoint",
    "convert_folder",
    "read_proof",
    "spacy_identity",
]


def convert_checkpoint(
    checkpoint: str,
    out: Path,
    *,
    to: str = "pytorch",
    config: Path | None = None,
    vocab: Path | None = None,
    choices: Choices | None = None,
    form: str = "safetensors",
    force: bool = False,
    **options: Any,
) -> Proof:
    """Convert whatever `checkpoint` names: a card, a checkpoint's path, or a Hugging Face directory.

    Raises:
        ParityError: see `convert`.
    """
    from parity.artifacts.folder import check_free
    from parity.artifacts.hf_folder import is_hf_folder
    from parity.models import resolve

    check_free(out, force=force)
    if is_hf_folder(Path(checkpoint)):
        named = spacy_identity(Path(checkpoint).absolute().name, None) if to == "spacy" else {}
        return convert_folder(
            Path(checkpoint), out, to=to, choices=choices, form=form, force=force, **_given(named, options)
        )
    decided = choices or Choices()
    source = resolve(checkpoint, config=config, vocab=vocab, family=decided.family, rename=decided.rename)
    named = spacy_identity(source.name, source.card) if to == "spacy" else {}
    return convert(source, out, to=to, choices=choices, form=form, force=force, **_given(named, options))


def spacy_identity(name: str, card: Card | None) -> dict[str, Any]:
    """Name and language of a spaCy package: the card's, else the model's name and `xx`; wheel and sdist are wanted."""
    known = {"name": card.spacy.name, "lang": card.spacy.lang} if card else {"name": name, "lang": "xx"}
    return {**known, "package": True}


def _given(defaults: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {**defaults, **{key: value for key, value in options.items() if value is not None}}
