"""parity legacy: paste the old command after it."""

from __future__ import annotations

from typing import Annotated

import typer


def legacy(
    command: Annotated[list[str], typer.Argument(help="the old command line, as it stands in the tutorial")],
    force: Annotated[bool, typer.Option("--force", help="replace results; before the old command")] = False,
) -> None:
    """Do what an old converter's command line asks for, and tell how it is spelt today."""
    from parity.artifacts.legacy import run_legacy

    done = run_legacy(command, force=force)
    for line in done.said:
        typer.echo(line, err=True)
    typer.echo(f"today: {done.modern}", err=True)
    typer.echo(", ".join(str(path) for path in done.made))


def add(app: typer.Typer) -> None:
    """Register the command; what follows the first word of the old one is the old one's."""
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command(context_settings=settings)(legacy)
