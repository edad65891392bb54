"""parity replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def replay(
    case: Annotated[Path, typer.Argument(help="a file of a run's cases/, or of fixtures/regressions/")],
    threads: Annotated[int | None, typer.Option(help="threads of each runtime, instead of all")] = None,
    timeout: Annotated[float, typer.Option(help="seconds that a runtime may take")] = 900.0,
    in_process: Annotated[bool, typer.Option("--in-process", help="run runtimes in this process, to debug")] = False,
    python: Annotated[list[str] | None, typer.Option(help="NAME=PATH: interpreter for a backend")] = None,
) -> None:
    """Run a generated input that broke something again; exit 1 if it still does."""
    from parity.errors import BrokenParity
    from parity.runs.options import RunOptions, default_threads, interpreters
    from parity.runs.replaying import replay as run

    found = run(
        case,
        options=RunOptions(
            threads=threads or default_threads(),
            timeout_s=timeout,
            in_process=in_process,
            python=interpreters(python),
        ),
    )
    if found.status == "fail":
        raise BrokenParity(f"still broken: {found.message}", where=case)
    typer.echo(f"{'holds now' if found.status == 'pass' else 'could not be judged'}: {found.message}")


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(replay)
