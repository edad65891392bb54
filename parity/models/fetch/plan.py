"""What a card's files are, where they come from and go to, and what of them is here already; nothing is transferred."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import ParityError, Problems
from parity.models.cache import cache_root
from parity.models.sources import located

if TYPE_CHECKING:
    from parity.models.schema import Card


@dataclass(frozen=True)
class Item:
    """One transfer: the archive, or one of the single files. `sha256` is the card's, None if it tells none."""

    name: str
    urls: tuple[str, ...]
    sha256: str | None
    is_archive: bool


@dataclass(frozen=True)
class Line:
    """What `--dry-run` says of one item; `size` is None where no mirror declares it, `here` counts bytes."""

    name: str
    size: int | None
    target: Path
    here: int
    whole: bool


def items(card: Card) -> tuple[Item, ...]:
    """What has to be transferred for this card."""
    origin = card.source
    if origin.archive is not None:
        return (Item(origin.archive, origin.urls, origin.sha256, is_archive=True),)
    return tuple(
        Item(
            name=file,
            urls=tuple(f"{url.rstrip('/')}/{file}" for url in origin.urls),
            sha256=origin.hashes.get(file),
            is_archive=False,
        )
        for file in origin.files
    )


def entry(card: Card) -> Path:
    """The cache's entry for a card's weights."""
    return cache_root() / "models" / card.name


def downloads(card: Card) -> Path:
    """The cache's entry for what is not whole yet."""
    return cache_root() / "downloads" / card.name


def present(card: Card) -> Path | None:
    """The folder that holds the card's files already; None if there is none.

    Raises:
        ParityError: there is such a folder, and files are missing in it.
    """
    folder = located(card)
    if folder is None:
        return None
    problems = Problems("this model is not complete", where=folder)
    cached = folder.is_relative_to(cache_root())
    remedy = f"`parity cache clear models/{card.name}`, then fetch again" if cached else "complete it, or move it away"
    for file in card.source.files:
        if not (folder / file).is_file():
            problems.add(f"{file} is missing", remedy=remedy)
    problems.raise_if_any()
    return folder


def outline(card: Card) -> tuple[tuple[Line, ...], tuple[ParityError, ...]]:
    """One line for each item, its size asked of the mirrors in order; and why sizes could not be had.

    Raises:
        ParityError: as `present`.
    """
    from parity.models.fetch.http import size_of

    folder = present(card)
    if folder is not None:
        sizes = {file: (folder / file).stat().st_size for file in card.source.files}
        return tuple(Line(file, size, folder / file, size, whole=True) for file, size in sizes.items()), ()
    lines, problems = [], []
    for item in items(card):
        size = None
        for url in item.urls:
            try:
                size = size_of(url)
                break
            except ParityError as error:
                problems.append(error)
        else:
            continue
        target = entry(card) / card.source.folder / ("" if item.is_archive else item.name)
        kept = downloads(card) / item.name
        part = kept.with_name(f"{kept.name}.part")
        here = next((path.stat().st_size for path in (kept, part) if path.is_file()), 0)
        lines.append(Line(item.name, size, target, here, whole=kept.is_file()))
    # A mirror that fails is no problem while another one serves.
    return tuple(lines), tuple(problems) if len(lines) < len(items(card)) else ()
