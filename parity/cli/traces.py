"""parity trace, compare."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from parity.cli.options import pairs, table
from parity.errors import BrokenParity, ParityError


def trace(
    subject: Annotated[str, typer.Argument(help="artifact folder; for oracle and tensorflow a card or checkpoint")],
    inputs: Annotated[Path, typer.Argument(help="INPUTS file (.npz, .safetensors), or a folder of them")],
    out: Annotated[Path, typer.Argument(help="folder to make")],
    backend: Annotated[str, typer.Option(help="runtime, such as oracle or torch:eager")],
    precision: Annotated[str | None, typer.Option(help="what the run shall claim")] = None,
    taps: Annotated[list[str] | None, typer.Option(help="glob over tap names; repeatable")] = None,
    set: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for the runtime; repeatable")] = None,  # noqa: A002
    config: Annotated[Path | None, typer.Option(help="config file of a checkpoint")] = None,
    vocab: Annotated[Path | None, typer.Option(help="vocabulary file of a checkpoint")] = None,
    family: Annotated[str | None, typer.Option(help="architecture of a checkpoint")] = None,
    head: Annotated[str | None, typer.Option(help="head of a checkpoint")] = None,
    activation: Annotated[str | None, typer.Option(help='what "gelu" means in a checkpoint: erf or tanh')] = None,
    given: Annotated[Path | None, typer.Option(help="trace whose values every stage of a reference is fed")] = None,
    logit_positions: Annotated[str, typer.Option(help="given, or all: where vocabulary logits are traced")] = "given",
    threads: Annotated[int | None, typer.Option(help="threads, instead of all")] = None,
    timeout: Annotated[float, typer.Option(help="seconds for one batch")] = 900.0,
    in_process: Annotated[bool, typer.Option("--in-process", help="run in this process, to debug")] = False,
    python: Annotated[list[str] | None, typer.Option(help="NAME=PATH: interpreter for a backend")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace OUT")] = False,
) -> None:
    """Run one runtime on given inputs and keep what every layer computed."""
    from parity.artifacts import Choices
    from parity.runs.options import RunOptions, default_threads, interpreters
    from parity.runs.tracing import trace as run

    if logit_positions not in ("given", "all"):
        raise ParityError("--logit-positions is given or all", got=logit_positions)
    outcome = run(
        subject,
        inputs,
        out,
        backend=backend,
        precision=precision,
        taps=tuple(taps or ()),
        settings=pairs("--set", set),
        config=config,
        vocab=vocab,
        choices=Choices(family=family, head=head, activation=activation),
        all_positions=logit_positions == "all",
        given=given,
        options=RunOptions(
            timeout_s=timeout, in_process=in_process, python=interpreters(python), threads=threads or default_threads()
        ),
        force=force,
    )
    for tap, reason in outcome.unavailable.items():
        typer.echo(f"no {tap}: {reason}", err=True)
    facts = ", ".join(f"{name} {value}" for name, value in outcome.describe.items())
    typer.echo(f"{out}: {outcome.batches} batches in {outcome.forward_s:.2f} s by {outcome.job.name} ({facts})")


def compare(
    base: Annotated[Path, typer.Argument(help="trace of the source's own float32 run")],
    candidates: Annotated[list[Path], typer.Argument(help="traces to judge")],
    oracle: Annotated[Path | None, typer.Option(help="trace of the float64 reference")] = None,
    floor: Annotated[Path | None, typer.Option(help="trace of --backend floor: judge by float32 rounding")] = None,
    given: Annotated[
        list[Path] | None, typer.Option(help="per candidate, the trace of --backend oracle --given CANDIDATE")
    ] = None,
    bound: Annotated[list[str] | None, typer.Option(help="METRIC=NUMBER; repeatable")] = None,
    json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """Compare traces tap by tap; exit 1 if parity is broken."""
    from parity.measure import HEADER, compare_traces

    bounds: dict[str, float] = {}
    for name, value in pairs("--bound", bound).items():
        try:
            bounds[name] = float(value)
        except ValueError as error:
            raise ParityError(f"the bound of {name} is not a number", got=value) from error
    found = compare_traces(base, candidates, oracle=oracle, floor=floor, given=tuple(given or ()), bounds=bounds)
    typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=1) if json else table([HEADER, *found.rows()]))
    if not found.holds:
        raise BrokenParity("parity is broken")


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(trace)
    app.command()(compare)
