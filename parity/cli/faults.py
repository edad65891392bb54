"""parity faults."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from parity.errors import BrokenParity, ParityError


def faults(
    model: Annotated[str, typer.Argument(help="card name, folder or checkpoint")],
    scale: Annotated[str, typer.Option(help="size of stand-ins: full, small or tiny")] = "small",
    only: Annotated[str | None, typer.Option(help="glob over faults, such as 'T-01' or 'N-*'; no sound runs")] = None,
    sound: Annotated[int | None, typer.Option(help="how many sound runs, 0 for none")] = None,
    matrix: Annotated[bool, typer.Option(help="inject faults; without, only the sound runs")] = True,
    json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    report: Annotated[Path | None, typer.Option(help="folder for faults.md, faults.csv and faults.json")] = None,
    threads: Annotated[int | None, typer.Option(help="threads of each runtime, instead of all")] = None,
) -> None:
    """Put known conversion faults in, and see whether this harness notices; exit 1 if its power has dropped."""
    from parity.backends.worker import environment
    from parity.runs.options import default_threads

    if scale not in ("full", "small", "tiny"):
        raise ParityError("--scale is full, small or tiny", got=scale)
    cores = threads or default_threads()
    # Everything runs in this process: threads that spin at barriers would starve each other.
    os.environ.update(environment(cores))
    wanted = sound if sound is not None else (0 if only else 300)
    with tempfile.TemporaryDirectory(prefix="parity-faults-") as scratch:
        told, plain, holds = _run(model, scale, only if matrix else "", wanted, cores, Path(scratch), report)
    typer.echo(dumps(plain, ensure_ascii=False, indent=1) if json else "\n".join(told))
    if not holds:
        raise BrokenParity("the harness does not have the power it claims")


def _run(
    model: str, scale: Any, only: str | None, wanted: int, threads: int, scratch: Path, report: Path | None
) -> tuple[list[str], dict[str, Any], bool]:
    from parity.faults.corpus import corpus
    from parity.faults.matrix import build
    from parity.faults.sound import neighbours, soundness
    from parity.faults.told import line, matrix_lines, matrix_markdown, sound_lines
    from parity.faults.trial import Trials
    from parity.runs.options import RunOptions
    from parity.runs.workbench import Workbench

    options = RunOptions(scale=scale, threads=threads)
    told: list[str] = []
    plain: dict[str, Any] = {}
    holds, texts = True, dict[str, str]()
    with ExitStack() as closing:
        if only != "":
            bench = Workbench(model, folder=scratch / "matrix", options=options)
            closing.callback(bench.close)
            chosen = corpus(bench.outline.family, only)
            found = build(Trials(bench), chosen, progress=lambda one: typer.echo(line(one), err=True))
            told += [matrix_markdown(found), "", *matrix_lines(found)]
            plain["matrix"], holds = found.as_dict(), found.holds
            texts["faults.csv"] = found.as_csv()
            _write(report, told, plain, texts)  # the sound runs take as long again
        if wanted:
            runs = soundness(
                neighbours(model),
                options=options,
                folder=scratch / "sound",
                most=wanted,
                progress=lambda one: typer.echo(line(one), err=True),
            )
            told += ["", *sound_lines(runs)]
            plain["sound"], holds = runs.as_dict(), holds and runs.holds
    _write(report, told, plain, texts)
    return told, plain, holds


def _write(report: Path | None, told: list[str], plain: dict[str, Any], texts: dict[str, str]) -> None:
    if report is None:
        return
    report.mkdir(parents=True, exist_ok=True)
    both = {"faults.md": "\n".join(told) + "\n", "faults.json": dumps(plain, ensure_ascii=False, indent=1)}
    for name, text in {**texts, **both}.items():
        (report / name).write_text(text, encoding="utf-8")


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(faults)
