"""The old checkpoint converters: a `.bin` at the path named (BERT), or a folder with weights and `config.json`.

BERT's wrote the weights alone. The proof lies beside them as `NAME.conversion.json`, and holds for that file alone.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from parity.artifacts.legacy import Done
from parity.artifacts.legacy.commands import KINDS, NOT_HERE
from parity.artifacts.legacy.parse import Asked
from parity.artifacts.legacy.place import check_free, put, scratch
from parity.artifacts.legacy.single import proof_beside
from parity.artifacts.proof import FILE, sha256_file
from parity.artifacts.pytorch import WEIGHTS
from parity.artifacts.source import Choices
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families import family
from parity.families.base import Family

_BIN = WEIGHTS["bin"]
# The class whose state each tool saved; where it is not named here, the checkpoint tells.
_CLASSES: Mapping[str, str] = {
    "openai-gpt": "OpenAIGPTModel",
    "gpt2": "GPT2Model",
    "transfo-xl": "TransfoXLLMHeadModel",
}
# What transformers' TransfoXLConfig() assumed where no config was named, of what no tensor tells; it only ever fitted
# the published model, and is only taken for a model of its sizes.
_WT103 = {"n_layer": 18, "d_model": 1024, "n_head": 16, "d_inner": 4096, "n_token": 267735, "div_val": 4}
_WT103_RUN = {"mem_len": "1600", "clamp_len": "1000", "same_length": "true"}


@dataclass(frozen=True)
class _Wish:
    """An old conversion in today's words."""

    architecture: Family
    checkpoint: Path
    config: Path | None
    vocab: Path | None
    out: Path
    single: bool
    head: str | None
    tokenizer: bool
    settings: Mapping[str, str]


def convert_as_asked(asked: Asked, *, force: bool) -> Done:
    """Convert, and put the results where the old tool put them.

    Raises:
        ParityError: see `parity.artifacts.convert_checkpoint`; or a result is there already.
    """
    from parity.artifacts import convert_checkpoint

    wish = _wish(asked)
    wanted = _places(wish)
    check_free(wanted.values(), sources=_sources(wish), force=force)
    choices = Choices(family=wish.architecture.name, head=wish.head, tokenizer=wish.tokenizer, settings=wish.settings)
    with scratch(wish.out.absolute().parent if wish.single else wish.out.absolute()) as part:
        made = part / "made"
        proof = convert_checkpoint(
            os.fspath(wish.checkpoint), made, config=wish.config, vocab=wish.vocab, choices=choices, form="bin"
        )
        if wish.single:
            alone = replace(proof, files={_BIN: sha256_file(made / _BIN)})
            alone.write(made)
            parts = {made / name: place for name, place in wanted.items()}
        else:
            parts = {path: wish.out / path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()}
        put(parts, force=force)
    said = [*asked.said, *(f"assumed: {line}" for line in proof.assumptions)]
    if not wish.single and not wish.tokenizer:
        said.append("no vocabulary beside the checkpoint: no tokenizer files are written")
    return Done(_modern(wish), tuple(said), tuple(parts.values()))


def _wish(asked: Asked) -> _Wish:
    values = asked.values
    kind = asked.command.kind or values["kind"].replace("-", "_")
    named = "gpt" if kind == "openai_gpt" else kind
    if named not in KINDS:
        raise ParityError(
            f"no converter for model type {kind}",
            expected=f"one of {', '.join(KINDS)}",
            remedy=NOT_HERE.get(named, "choose one"),
        )
    architecture = family(KINDS[named])
    checkpoint, out = Path(values["checkpoint"]), Path(values["out"])
    config = _config(architecture, values.get("config"))
    vocab = Path(values["vocab"]) if values.get("vocab") else None
    if vocab is None and named == "transfo_xl" and _is_corpus(checkpoint):
        raise ParityError(
            "a pickled corpus holds no model",
            where=checkpoint,
            remedy="name the checkpoint: the vocabulary beside it is converted with it, and no pickle is run",
        )
    single = named == "bert" and not (out.is_dir() or values["out"].endswith("/"))
    found = vocab is not None or _has_vocabulary(architecture, checkpoint)
    head = _of_task(architecture, checkpoint, values.get("task")) if named == "xlnet" else _of_class(architecture)
    settings = _settings(architecture, checkpoint) if named == "transfo_xl" and config is None else {}
    return _Wish(architecture, checkpoint, config, vocab, out, single, head, found and not single, settings)


def _config(architecture: Family, named: str | None) -> Path | None:
    """The file named, or of a folder the file that is the config there."""
    if not named:
        return None
    inside = (Path(named) / name for name in architecture.config_names)
    return next((path for path in inside if path.is_file()), Path(named))


def _settings(architecture: Family, checkpoint: Path) -> dict[str, str]:
    """The old tool's own defaults, for the one model that they fitted, where no file beside says otherwise."""
    with open_checkpoint(checkpoint) as opened:
        shapes = {name: entry.shape for name, entry in opened.entries.items()}
        if any((opened.prefix.parent / name).is_file() for name in architecture.config_names):
            return {}
    told = architecture.infer(shapes) if architecture.infer else {}
    return dict(_WT103_RUN) if _WT103.items() <= told.items() else {}


def _of_task(architecture: Family, checkpoint: Path, task: str | None) -> str | None:
    """XLNet's head: the language model's without a task; where there is one, the checkpoint has to hold it."""
    with open_checkpoint(checkpoint) as opened:
        held = [head.name for head in architecture.heads(opened.entries)]
    if not task:
        return "lm" if "lm" in held else None
    wanted = "qa" if "squad" in task.lower() else task.lower()
    found = next((name for name in held if wanted in (name.lower(), name.lower().partition("-")[2])), None)
    if found is None:
        raise ParityError(
            f"the checkpoint holds no head of task {task}",
            where=checkpoint,
            expected=f"one of {', '.join(held)}",
            remedy="the old tool would have left it at random; name the task it was trained for",
        )
    return found


def _of_class(architecture: Family) -> str | None:
    """The head whose class the old tool always took; None where the checkpoint tells."""
    named = _CLASSES.get(architecture.name)
    return next((head.name for head in architecture.all_heads if head.target_class == named), None)


def _has_vocabulary(architecture: Family, checkpoint: Path) -> bool:
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    return any(all((folder / name).is_file() for name in names) for names in architecture.vocabulary_names)


def _is_corpus(path: Path) -> bool:
    if not path.is_file() or "ckpt" in path.name.lower():
        return False
    with path.open("rb") as file:
        # A pickle of protocol 2 or more, or of protocol 0 as Python 2 wrote it.
        return file.read(1) in (b"\x80", b"(", b"c")


def _places(wish: _Wish) -> dict[str, Path]:
    if wish.single:
        return {_BIN: wish.out, FILE: proof_beside(wish.out)}
    return {name: wish.out / name for name in (_BIN, "config.json", FILE)}


def _sources(wish: _Wish) -> list[Path]:
    """What the conversion reads: the checkpoint's own files, config and vocabulary."""
    with open_checkpoint(wish.checkpoint) as opened:
        folder = opened.prefix.parent
        names = (*wish.architecture.config_names, *chain(*wish.architecture.vocabulary_names))
        beside = [folder / name for name in names if (folder / name).is_file()]
        return [*opened.files, *beside, *filter(None, (wish.config, wish.vocab))]


def _modern(wish: _Wish) -> str:
    """Today's command line; it makes a folder, whose weights are the same file."""
    out = wish.out.with_suffix("") if wish.single and wish.out.suffix else wish.out
    options = {"--family": wish.architecture.name, "--config": wish.config, "--vocab": wish.vocab, "--head": wish.head}
    named = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    named += [word for key, value in wish.settings.items() for word in ("--set", f"{key}={value}")]
    bare = [] if _has_vocabulary(wish.architecture, wish.checkpoint) or wish.vocab else ["--no-tokenizer"]
    return shlex.join(["parity", "convert", str(wish.checkpoint), str(out), *named, "--format", "bin", *bare])
