"""Write the Hugging Face directory, spaCy package, OpenVINO IR, ONNX file, TensorFlow checkpoint; and prove them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.artifacts.convert import KINDS, convert, convert_folder
from parity.artifacts.proof import Proof, read_proof
from parity.artifacts.source import Choices
from parity.errors import ParityError

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
    converter_config: Path | None = None,
    choices: Choices | None = None,
    form: str = "safetensors",
    force: bool = False,
    **options: Any,
) -> Proof:
    """Convert whatever `checkpoint` names: a card, a checkpoint's path, or a Hugging Face directory.

    `converter_config` names config, class and mappings in one file (`parity.artifacts.converter_config`); such a file
    given as `config` is known by its keys.

    Raises:
        ParityError: see `convert`.
    """
    from parity.artifacts.converter_config import is_converter_config
    from parity.artifacts.folder import check_free
    from parity.artifacts.hf_folder import is_hf_folder, read_hf_folder
    from parity.artifacts.opening import resolve_model

    check_free(out, force=force)
    if converter_config is not None or (config is not None and is_converter_config(config)):
        config, choices = _told(checkpoint, config, converter_config, vocab, choices or Choices())
    folder = Path(checkpoint)
    # What is stored otherwise than this house stores it takes the way over a checkpoint, unless that is what is wanted.
    tokenizer = to != "spacy" or all((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
    if is_hf_folder(folder) and (to == "tensorflow" or (read_hf_folder(folder).plain and tokenizer)):
        named = spacy_identity(folder.absolute().name, None) if to == "spacy" else {}
        return convert_folder(folder, out, to=to, choices=choices, form=form, force=force, **_given(named, options))
    decided = choices or Choices()
    source = resolve_model(
        checkpoint,
        config=config,
        vocab=vocab,
        family=decided.family,
        rename=decided.rename,
        tokenizer=decided.tokenizer,
    )
    named = spacy_identity(source.name, source.card) if to == "spacy" else {}
    return convert(source, out, to=to, choices=choices, form=form, force=force, **_given(named, options))


def _told(
    checkpoint: str, config: Path | None, converter_config: Path | None, vocab: Path | None, choices: Choices
) -> tuple[Path, Choices]:
    """Config and choices of a converter config, given by either option."""
    from parity.artifacts.converter_config import follow, read_converter_config
    from parity.models import resolve

    if config is not None and converter_config is not None:
        raise ParityError("a converter config names the config itself", where=config, remedy="leave --config out")
    told = read_converter_config(converter_config or config or Path())
    path = Path(checkpoint)
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        path = resolve(checkpoint, config=told.config, vocab=vocab, family="bert").checkpoint
    return told.config, follow(path, told, choices)


def spacy_identity(name: str, card: Card | None) -> dict[str, Any]:
    """Name and language of a spaCy package: the card's, else the model's name and `xx`; wheel and sdist are wanted."""
    known = {"name": card.spacy.name, "lang": card.spacy.lang} if card and card.spacy else {"name": name, "lang": "xx"}
    return {**known, "package": True}


def _given(defaults: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {**defaults, **{key: value for key, value in options.items() if value is not None}}
