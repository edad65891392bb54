"""Write the Hugging Face directory, spaCy package, OpenVINO IR, ONNX file, TensorFlow checkpoint; and prove them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.artifacts.convert import KINDS, convert, convert_folder
from parity.artifacts.proof import Proof, read_proof
from parity.artifacts.source import Choices

__all__ = ["KINDS", "Choices", "Proof", "convert", "convert_checkpoint", "convert_folder", "read_proof"]


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
    from parity.artifacts.hf_folder import is_hf_folder
    from parity.models import resolve

    if is_hf_folder(Path(checkpoint)):
        return convert_folder(Path(checkpoint), out, to=to, choices=choices, form=form, force=force, **options)
    decided = choices or Choices()
    source = resolve(checkpoint, config=config, vocab=vocab, family=decided.family, rename=decided.rename)
    return convert(source, out, to=to, choices=choices, form=form, force=force, **options)
