"""parity models, backends."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from typing import Annotated

import typer

from parity.cli.options import table

Json = Annotated[bool, typer.Option("--json", help="machine-readable")]


def models(json: Json = False) -> None:
    """List the model cards, and whether their weights are here."""
    from parity.models import card, card_names, describe

    found = [describe(card(name)) for name in card_names()]
    if json:
        typer.echo(jsonlib.dumps([asdict(one) for one in found], default=str, indent=1))
        return
    head = ("name", "family", "layers x hidden", "vocabulary", "parameters", "casing", "activation", "weights")
    rows = [
        (
            one.name,
            one.family,
            f"{one.layers} x {one.hidden_size}",
            f"{one.vocabulary}",
            f"{one.parameters / 1e6:.0f} M",
            one.casing,
            one.activation,
            str(one.weights or "absent: a stand-in is built"),
        )
        for one in found
    ]
    typer.echo(table([head, *rows]))


def backends(json: Json = False) -> None:
    """List the runtimes, and whether they are installed."""
    from parity.backends import RUNTIMES, status

    rows = [(row.name, row.precision, row.kind, status(row).state, status(row).reason) for row in RUNTIMES.values()]
    head = ("runtime", "claims", "runs", "state", "version or remedy")
    if json:
        typer.echo(jsonlib.dumps([dict(zip(head, row, strict=True)) for row in rows], indent=1))
    else:
        typer.echo(table([head, *rows]))


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(models)
    app.command()(backends)
