"""parity fetch, parity cache."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.options import table

if TYPE_CHECKING:
    from parity.models.entries import Entry
    from parity.models.fetch import Watch
    from parity.models.schema import Card

DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")]


def fetch(
    card: Annotated[str, typer.Argument(help="name of a model card; `parity models` lists them")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="ask for the sizes; transfer nothing")] = False,
) -> None:
    """Fetch a model's published weights into the cache; a fetch that was broken off goes on."""
    from parity.models import card as card_named
    from parity.models.fetch import fetch as run

    chosen = card_named(card)
    if dry_run:
        _plan(chosen)
        return
    with _progress() as watch:
        found = run(chosen, watch=watch)
    for note in found.notes:
        typer.echo(_printable(note), err=True)
    for name, checksum in found.checksums.items():
        typer.echo(f"sha256 {checksum}  {name}")
    state = "fetched" if found.new else "already there"
    total = sum(path.stat().st_size for path in found.files)
    typer.echo(f"{card}: {state}, {len(found.files)} files, {_size(total)} in {found.folder}")
    typer.echo(f"next: `parity convert {card} OUT`, or `pytest suites/ --model {card}`")


def _plan(card: Card) -> None:
    from parity.errors import Problems
    from parity.models.fetch import outline

    lines, failed = outline(card)
    rows = [
        (
            line.name,
            "not told" if line.size is None else _size(line.size),
            str(line.target),
            "yes" if line.whole else f"{_size(line.here)} of it" if line.here else "no",
        )
        for line in lines
    ]
    sizes = [line.size for line in lines if line.size is not None]
    rest = sum(max(line.size - line.here, 0) for line in lines if line.size is not None)
    if rows:
        typer.echo(table([("file", "size", "where to", "already there"), *rows]))
        typer.echo(f"{_size(sum(sizes))} in all, {_size(rest)} to transfer")
    problems = Problems("some files cannot be had")
    problems.extend(failed)
    problems.raise_if_any()


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar for each file on a terminal, on stderr; elsewhere nothing."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console) as bars:
        tasks = {}

        def watch(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield watch


cache = typer.Typer(help="Show or clear what is kept: weights, stand-ins, artifacts, oracle traces.")


@cache.callback(invoke_without_command=True)
def show(
    context: typer.Context, json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False
) -> None:
    """Show or clear what is kept: weights, stand-ins, artifacts, oracle traces."""
    if context.invoked_subcommand is not None:
        return
    from parity.models import cache_limit, cache_root
    from parity.models.entries import listed

    here, limit = listed(), cache_limit()
    if json:
        kept = [asdict(entry) for entry in here]
        said = {"root": cache_root(), "limit_bytes": limit, "entries": kept}
        typer.echo(jsonlib.dumps(said, default=str, indent=1))
        return
    if here:
        typer.echo(table([("kind", "name", "size", "last use", "in use"), *map(_row, here)]))
    total = sum(entry.bytes for entry in here)
    typer.echo(f"{cache_root()}: {len(here)} entries, {_size(total)} of at most {_size(limit)}")


@cache.command()
def clear(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="NAME or KIND/NAME")] = None,
    kind: Annotated[str | None, typer.Option(help="only this kind: models, downloads, ...")] = None,
    all: Annotated[bool, typer.Option("--all", help="every entry")] = False,  # noqa: A002
    dry_run: DryRun = False,
) -> None:
    """Delete entries that no process uses."""
    from parity.models.entries import cleared, selected

    chosen = selected(names or (), kind=kind, everything=all)
    if dry_run:
        gone, left = tuple(e for e in chosen if not e.in_use), tuple(e for e in chosen if e.in_use)
    else:
        gone, left = cleared(chosen)
    done = "would be deleted" if dry_run else "deleted"
    for entry in gone:
        typer.echo(f"{done}: {entry.kind}/{entry.name}, {_size(entry.bytes)}")
    for entry in left:
        typer.echo(f"left, in use: {entry.kind}/{entry.name}, {_size(entry.bytes)}")
    typer.echo(f"{len(gone)} entries {done}, {_size(sum(entry.bytes for entry in gone))}; {len(left)} left in use")


def _row(entry: Entry) -> tuple[str, ...]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_use))
    return (entry.kind, entry.name, _size(entry.bytes), used, "yes" if entry.in_use else "no")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _printable(text: str) -> str:
    """Names come from archives of others: what would command a terminal is spelt out."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(fetch)
    app.add_typer(cache, name="cache")
