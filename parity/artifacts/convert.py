"""`parity convert`: one checkpoint to one kind of artifact, with its proof."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.artifacts.folder import check_free, new_folder
from parity.artifacts.hf_folder import read_hf_folder
from parity.artifacts.proof import FILE, Proof
from parity.artifacts.pytorch import BETWEEN, WEIGHTS, write_pytorch
from parity.artifacts.source import Choices, understand
from parity.errors import MissingRuntime, ParityError, Problems

if TYPE_CHECKING:
    from parity.models import Source


@dataclass(frozen=True)
class Kind:
    """How one kind of artifact is made from a Hugging Face directory, and what that needs."""

    derive: str
    """`module:function` of `(pytorch_dir, folder, **options) -> Proof`."""
    needs: tuple[str, ...]
    extra: str
    options: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "pytorch": Kind("", (), ""),
    "tensorflow": Kind("parity.artifacts.tensorflow:derive", (), ""),
    "openvino": Kind("parity.artifacts.derive:openvino", ("openvino",), "openvino", ("compress",)),
    "onnx": Kind("parity.artifacts.derive:onnx", ("onnx",), "onnx", ("compress",)),
    "spacy": Kind(
        "parity.artifacts.derive:spacy", ("torch", "spacy", "spacy_transformers"), "spacy", ("name", "lang", "package")
    ),
}


def convert(
    source: Source,
    out: Path,
    *,
    to: str = "pytorch",
    choices: Choices | None = None,
    form: str = "safetensors",
    force: bool = False,
    hashing: bool = True,
    **options: Any,
) -> Proof:
    """Convert `source` into the folder `out` and return the proof that lies in it.

    Args:
        source: where checkpoint, config and vocabulary lie.
        out: the folder to make; appears whole or not at all.
        to: a key of `KINDS`.
        choices: what the user decided by hand.
        form: weights of the Hugging Face directory, `safetensors` or `bin`.
        force: replace `out`.
        hashing: off only to measure what hashing costs.
        options: particular to a kind, such as `compress`.

    Raises:
        ParityError: the source cannot be converted; nothing is left behind.
        MissingRuntime: the kind's runtime is not installed.
    """
    kind = check_request(to, form, options)
    check_free(out, force=force)
    understood = understand(source, choices or Choices())
    _spare([path for path in (*understood.checkpoint.files, source.config, source.vocab) if path], out)
    with understood.checkpoint, new_folder(out, force=force) as folder:
        if not kind.derive:
            return write_pytorch(understood, folder, form=form, hashing=hashing)
        between = folder / BETWEEN
        between.mkdir()
        write_pytorch(understood, between)
        try:
            proof = derive(between, folder, to=to, **options)
        except ParityError as error:
            if error.where is not None and Path(error.where).is_relative_to(between):
                error.where = understood.checkpoint.prefix  # what lies between is gone when the message is read
            raise
        shutil.rmtree(between)
        return proof


def convert_folder(
    pytorch: Path,
    out: Path,
    *,
    to: str,
    choices: Choices | None = None,
    form: str = "safetensors",
    force: bool = False,
    **options: Any,
) -> Proof:
    """Convert a Hugging Face directory into another kind of artifact.

    Raises:
        ParityError: nothing to do, choices that only a checkpoint leaves open, or an unreadable directory.
    """
    kind = check_request(to, form, options)
    if not kind.derive:
        raise ParityError("this is a Hugging Face directory already", where=pytorch, remedy="choose another --to")
    if choices not in (None, Choices()):
        raise ParityError(
            "a Hugging Face directory leaves nothing to decide", where=pytorch, remedy="leave options out"
        )
    _spare([pytorch / "config.json"], out)
    changed = read_hf_folder(pytorch).changed() if to != "tensorflow" else []
    if changed:
        raise ParityError(
            f"{FILE} describes other weights: {len(changed)} tensors changed since, {changed[0]} among them",
            where=pytorch,
            remedy=f"delete {FILE} there, and the tensors are taken as they are",
        )
    if to != "tensorflow":
        _check_numbers(pytorch)
    with new_folder(out, force=force) as folder:
        return derive(pytorch, folder, to=to, **options)


def _check_numbers(pytorch: Path) -> None:
    """What a checkpoint's way looks at by itself: artifacts of NaN would agree on nothing, and say so only when run."""
    hf = read_hf_folder(pytorch)
    problems = Problems("weights that are no numbers", where=hf.weights)
    for name in hf.specs if hf.proof is None else ():
        array = hf.read(name)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            problems.add(f"{name} holds NaN or infinite values", remedy="take an earlier state of that training")
    problems.raise_if_any()


def _spare(sources: Sequence[Path], out: Path) -> None:
    """Refuse to replace, even by force, what is being converted."""
    for path in sources:
        if path.resolve().is_relative_to(out.resolve()):
            raise ParityError("OUT holds the source itself", where=out, got=path.name, remedy="choose another OUT")


def derive(pytorch: Path, folder: Path, *, to: str, **options: Any) -> Proof:
    """Make an artifact of kind `to` in `folder` (which exists) from a converted Hugging Face directory."""
    module, _, function = KINDS[to].derive.partition(":")
    made: Callable[..., Proof] = getattr(import_module(module), function)
    return made(pytorch, folder, **{key: value for key, value in options.items() if value is not None})


def check_request(to: str, form: str, options: Mapping[str, Any]) -> Kind:
    """Refuse what no kind of artifact can do, before anything is read.

    Raises:
        ParityError: an unknown kind or an option of another kind; MissingRuntime: its runtime is not installed.
    """
    if to not in KINDS:
        raise ParityError(
            f"cannot convert to {to}", expected=f"one of {', '.join(KINDS)}", remedy="choose another --to"
        )
    kind = KINDS[to]
    if form not in WEIGHTS:
        raise ParityError("unknown --format", got=form, expected=" or ".join(WEIGHTS), remedy="choose one")
    if form == "bin" and to != "pytorch":
        raise ParityError("--format belongs to --to pytorch", got=f"--to {to}", remedy="leave it out")
    foreign = sorted(key for key, value in options.items() if value is not None and key not in kind.options)
    if foreign:
        raise ParityError(f"--{foreign[0].replace('_', '-')} does not belong to --to {to}", remedy="leave it out")
    absent = [name for name in kind.needs if find_spec(name) is None]
    if absent:
        raise MissingRuntime(
            f"--to {to} needs {', '.join(absent)}, not installed here", remedy=f'pip install "parity[{kind.extra}]"'
        )
    return kind
