"""parity calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from parity.cli.options import table
from parity.errors import ParityError


def calibrate(
    model: Annotated[str, typer.Argument(help="card name, folder or checkpoint")],
    backend: Annotated[list[str] | None, typer.Option(help="runtime; repeatable")] = None,
    scale: Annotated[str, typer.Option(help="size of stand-ins: full, small or tiny")] = "full",
    inputs: Annotated[str, typer.Option(help="large, or an INPUTS file: each batch is a run of its own")] = "large",
    out: Annotated[Path | None, typer.Option(help="where to keep the limits, instead of the cache")] = None,
    threads: Annotated[int | None, typer.Option(help="threads of each runtime, instead of all")] = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="run runtimes in this process")] = False,
) -> None:
    """Measure how near sound runs come to their limits: beyond 1.25 times that, later runs warn."""
    from parity.runs.calibrating import calibrate as run
    from parity.runs.drift import default_file, write
    from parity.runs.options import RunOptions, Scale, default_threads
    from parity.runs.outline import outline

    if scale not in get_args(Scale):
        raise ParityError("there is no such scale", got=scale, expected=" or ".join(get_args(Scale)))
    options = RunOptions(
        scale=scale,  # type: ignore[arg-type]
        backends=tuple(backend or ()),
        inputs=inputs,
        threads=threads or default_threads(),
        in_process=in_process,
    )
    found = run(model, options, progress=lambda line: typer.echo(line, err=True))
    if not found:
        raise ParityError("no runtime could be calibrated", where=model, remedy="see `parity backends`")
    path = out or default_file(outline(model, options).name, scale)
    write(path, found)
    header = ("runtime", "version", "runs", "largest", "at", "drift limit")
    rows = [
        (one.runtime, one.version, str(one.runs), f"{one.largest:.3f}", one.where, f"{one.limit:.3f}") for one in found
    ]
    typer.echo(table([header, *rows]))
    typer.echo(f"{path}: largest and limit in units of the parity limit; {found[0].rate}")


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(calibrate)
