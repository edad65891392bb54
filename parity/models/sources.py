"""From what a user names to the three files that matter: checkpoint, config, vocabulary."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from parity.checkpoints import open_checkpoint
from parity.errors import ParityError, Problems
from parity.families import FAMILIES, chosen
from parity.families import family as family_named
from parity.families.base import Family
from parity.models.cache import build_once, cache_limit, cache_root, evict, expanded, use
from parity.models.library import card, card_names, nearest
from parity.models.shapes import Scale
from parity.models.standin import digest, write_stand_in

if TYPE_CHECKING:
    from parity.models.schema import Card

T = TypeVar("T")

_MAX_CONFIG = 1 << 20


@dataclass(frozen=True)
class Source:
    """A model to work on. `name` is safe in test ids and file names; `checkpoint` is the prefix."""

    name: str
    family: str
    checkpoint: Path
    config: Path | None
    """None where the architecture's tensors tell enough."""
    vocab: Path | None
    """The first of its files; None where only the weights are wanted."""
    card: Card | None
    stand_in: bool
    note: str
    """What a reader of the verdict must know about where the weights come from; empty if nothing."""
    casing: tuple[bool, bool] | None = None
    """Lower-case and strip accents, where a Hugging Face directory's tokenizer says so."""
    origin: Path | None = None
    """The Hugging Face directory that the checkpoint was made from."""


def resolve(
    model: str,
    *,
    scale: Scale = "full",
    config: Path | None = None,
    vocab: Path | None = None,
    family: str | None = None,
    rename: Mapping[str, str] | None = None,
    tokenizer: bool = True,
) -> Source:
    """Find the model that `model` names.

    Args:
        model: a card's name, or a checkpoint's folder, prefix, `.index` or `.data-…` file. A card's weights are looked
            for in `$PARITY_MODELS/NAME`, then in the cache; without them a stand-in is built there, or found built.
        scale: of a stand-in; at `small` and `tiny` a card always means one.
        config: config file, if not beside the checkpoint.
        vocab: vocabulary file, if not beside the checkpoint.
        family: architecture, if the variables' names do not tell.
        rename: variables that the checkpoint holds under names of its own, new by old.
        tokenizer: whether a vocabulary is wanted.

    Raises:
        ParityError: there is no such model, or parts of it are missing; everything missing at once.
    """
    if model in card_names():
        return _from_card(card(model), scale, config, vocab)
    path = expanded(model)
    if not (_looks_like_path(model) or path.exists() or path.with_name(f"{path.name}.index").exists()):
        raise ParityError(f"{model} is neither a model card nor a checkpoint", remedy=nearest(model))
    found = _beside(path, config, vocab, family=family, rename=rename or {}, tokenizer=tokenizer)
    note = "" if scale == "full" else f"--scale {scale} is for stand-ins; this checkpoint is taken as it is"
    return Source(slug(path, found[1]), *found, card=None, stand_in=False, note=note)


def located(of: Card) -> Path | None:
    """The folder that holds a card's published weights; None without them.

    Raises:
        ParityError: `$PARITY_MODELS` names no folder.
    """
    given = os.environ.get("PARITY_MODELS")
    shelf = expanded(given) if given else None
    if shelf is not None and not shelf.is_dir():
        raise ParityError("PARITY_MODELS names no folder", where=shelf, remedy="make it, or unset the variable")
    places = [place / of.name for place in (shelf, cache_root() / "models") if place is not None]
    # An archive unpacked here keeps its own folder.
    return next((inner if (inner := p / of.source.folder).is_dir() else p for p in places if p.is_dir()), None)


def stand_in_folder(of: Card, scale: Scale) -> Path:
    """Where the cache keeps this stand-in; another recipe, card, scale or corpus means another folder."""
    return cache_root() / "models" / f"{of.name}-{scale}-{digest(of, scale)}"


def _from_card(of: Card, scale: Scale, config: Path | None, vocab: Path | None) -> Source:
    weights = located(of)
    if weights is not None and scale == "full":
        if weights.is_relative_to(cache_root()):
            use(cache_root() / "models" / of.name)
        found = _beside(
            _nested(weights, of), config, vocab, family=of.family, rename={}, tokenizer=True, more=_folders(weights, of)
        )
        if config is None and found[2] is not None:
            _check_config(found[2], of)
        return Source(of.name, *found, card=of, stand_in=False, note="")
    folder = stand_in_folder(of, scale)
    if not use(folder):
        build_once(folder, lambda empty: write_stand_in(of, scale=scale, folder=empty))
        evict(cache_root(), cache_limit())
    note = f"weights absent; `parity fetch {of.name}`" if weights is None else f"stand-in by --scale {scale}"
    found = _beside(folder, config, vocab, family=of.family, rename={}, tokenizer=True)
    return Source(of.name, *found, card=of, stand_in=True, note=note)


def _beside(
    path: Path,
    config: Path | None,
    vocab: Path | None,
    *,
    family: str | None,
    rename: Mapping[str, str],
    tokenizer: bool,
    more: tuple[Path, ...] = (),
) -> tuple[str, Path, Path | None, Path | None]:
    """Family, checkpoint prefix, config and vocabulary of a checkpoint on disk; `more` folders may hold the latter."""
    problems = Problems("this model is not complete", where=path)
    opened = _attempt(problems, lambda: open_checkpoint(path))
    prefix = opened.prefix if opened else path
    names = {rename.get(name, name) for name in opened.entries} if opened else set()
    architecture = None
    if family or opened:
        architecture = _attempt(problems, lambda: chosen(family, names, where=prefix))
    folder = path if opened is None and path.is_dir() else prefix.parent
    candidates = [architecture] if architecture else [family_named(name) for name in FAMILIES]
    config_names = [(name,) for candidate in candidates for name in candidate.config_names]
    vocabularies = [names for candidate in candidates for names in candidate.vocabulary_names]
    found: list[Path | ParityError | None] = [
        _given((folder, *more), "config", config, config_names),
        _given((folder, *more), "vocab", vocab, vocabularies) if tokenizer or vocab else None,
    ]
    if config is None and isinstance(found[0], ParityError) and architecture and _infers(architecture):
        found[0] = None
    given = tuple(found)
    if opened is not None or any(isinstance(one, Path) for one in given):
        # Where nothing at all was found the place is wrong, and what else it lacks is no news.
        problems.extend(one for one in given if isinstance(one, ParityError))
    problems.raise_if_any()
    assert architecture is not None
    found_config, found_vocab = (one if isinstance(one, Path) else None for one in given)
    return architecture.name, prefix, found_config, found_vocab


def _infers(architecture: Family) -> bool:
    return architecture.infer is not None and not architecture.config_needed


def _attempt(problems: Problems, step: Callable[[], T]) -> T | None:
    try:
        return step()
    except ParityError as error:
        problems.extend([error])
        return None


def _nested(weights: Path, of: Card) -> Path:
    """The checkpoint's prefix where it is published in a folder within the folder."""
    prefix = weights / of.source.prefix
    return prefix if prefix.parent != weights and prefix.parent.is_dir() else weights


def _folders(weights: Path, of: Card) -> tuple[Path, ...]:
    """Every folder that the publication has."""
    return tuple(dict.fromkeys((weights / file).parent for file in of.source.files))


def _given(
    folders: tuple[Path, ...], option: str, chosen: Path | None, sets: Sequence[tuple[str, ...]]
) -> Path | ParityError:
    """The file that the option names, else the first of the first whole set in the folder, else what to say."""
    if chosen is not None:
        return chosen if chosen.is_file() else ParityError(f"--{option}: there is no such file", where=chosen)
    whole = (
        folder / names[0] for folder in folders for names in sets if all((folder / name).is_file() for name in names)
    )
    first = next(whole, None)
    listed = dict.fromkeys(" with ".join(names) for names in sets)
    remedy = f"name it with --{option} FILE"
    return first or ParityError(f"no {' or '.join(listed)} in {folders[0]}", remedy=remedy)


def _check_config(path: Path, of: Card) -> None:
    """Weights under a card's name must have the card's config: otherwise the verdict would be another model's.

    Raises:
        ParityError: it is no JSON object, or says otherwise than the card; all differences at once.
    """
    remedy = f"put the files of {of.source.archive or of.title} there, or give the folder's path instead of the name"
    try:
        said: Any = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _MAX_CONFIG else None
    except (OSError, ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ParityError("not a JSON object", where=path, remedy=remedy)
    problems = Problems(f"not the config of {of.name}", where=path)
    for key, published in of.config.items():
        if said.get(key, published) != published:
            problems.add(f"{key} is not the card's", got=said[key], expected=published, remedy=remedy)
    problems.raise_if_any()


def _looks_like_path(model: str) -> bool:
    return model.startswith((".", "~")) or os.sep in model or "/" in model


def slug(path: Path, prefix: Path) -> str:
    """The folder's name, and the prefix's where the path says more than the folder; only `[A-Za-z0-9._-]`."""
    folder = path.absolute() if path.is_dir() else prefix.absolute().parent
    plain = folder.name if path.is_dir() else f"{folder.name}-{prefix.name}"
    safe = re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-._")
    if safe and plain.isascii() and safe not in card_names():
        return safe
    # What was lost above, or a card's own name, must not make two models one.
    return f"{safe or 'model'}-{hashlib.sha256(str(folder).encode(errors='surrogateescape')).hexdigest()[:6]}"
