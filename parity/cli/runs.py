"""parity run, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parity.errors import MissingRuntime


def run(
    model: Annotated[list[str], typer.Argument(help="card names, folders or checkpoints")],
    backend: Annotated[list[str] | None, typer.Option(help="runtime; repeatable; red if it is missing")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="keep runtimes that claim this; repeatable")] = None,
    taps: Annotated[list[str] | None, typer.Option(help="glob over tap names; repeatable")] = None,
    scale: Annotated[str, typer.Option(help="size of stand-ins: full, small or tiny")] = "full",
    texts: Annotated[Path | None, typer.Option(help="file of your own sentences, one a line")] = None,
    inputs: Annotated[str, typer.Option(help="small, large, or an INPUTS file")] = "small",
    drift: Annotated[Path | None, typer.Option(help="limits that `parity calibrate` wrote")] = None,
    report: Annotated[Path | None, typer.Option(help="folder of the run")] = None,
    threads: Annotated[int | None, typer.Option(help="threads of each runtime, instead of all")] = None,
    timeout: Annotated[float | None, typer.Option(help="seconds that a runtime may take for one batch")] = None,
    examples: Annotated[int | None, typer.Option(help="generated examples of each search")] = None,
    profile: Annotated[str, typer.Option(help="generated text: ci or nightly")] = "ci",
    seed: Annotated[int | None, typer.Option(help="of generated text, as a nightly run printed it")] = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="run runtimes in this process")] = False,
    python: Annotated[list[str] | None, typer.Option(help="NAME=PATH: interpreter for a backend")] = None,
) -> None:
    """Prove that every runtime computes the same: the same job as `pytest suites/ --model MODEL`."""
    try:
        import pytest
    except ImportError as error:
        raise MissingRuntime("the suites run under pytest", remedy='pip install "parity[test]"') from error
    from parity.inputs.fixtures import suites_root

    repeated = {"--model": model, "--backend": backend, "--precision": precision, "--taps": taps, "--python": python}
    single = {"--scale": scale, "--texts": texts, "--inputs": inputs, "--report": report} | {
        "--drift": drift,
        "--threads": threads,
        "--timeout": timeout,
        "--examples": examples,
        "--profile": profile,
        "--seed": seed,
    }
    arguments = [f"{name}={value}" for name, values in repeated.items() for value in values or ()]
    arguments += [f"{name}={value}" for name, value in single.items() if value is not None]
    arguments += ["--in-process"] if in_process else []
    suites = suites_root()
    own = [str(suites), "-p", "parity.pytest_plugin", "--rootdir", str(suites), "-c", "/dev/null", "-q"]
    status = int(pytest.main([*own, *arguments]))
    # pytest's 4 is a usage error; everything else that is not 0 means that parity was not shown.
    raise typer.Exit({0: 0, 4: 2}.get(status, 1))


def report(folder: Annotated[Path, typer.Argument(help="folder of a run")]) -> None:
    """Write a run's reports again from its events."""
    from parity.events import read_events
    from parity.report import verdict_line, write_reports

    written = write_reports(folder)
    typer.echo(verdict_line(read_events(folder)))
    for path in (written.html, written.summary, written.deviations, written.markdown):
        typer.echo(str(path))


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(run)
    app.command()(report)
