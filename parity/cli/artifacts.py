"""parity convert, verify, inspect."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from parity.cli.options import pairs
from parity.errors import ParityError

Text = str | None
File = Path | None


def convert(
    checkpoint: Annotated[str, typer.Argument(help="card name, folder, prefix, .index or .data-… file")],
    out: Annotated[Path, typer.Argument(help="folder to make")],
    to: Annotated[str, typer.Option(help="pytorch, spacy, openvino, onnx or tensorflow")] = "pytorch",
    family: Annotated[Text, typer.Option(help="architecture, if the names do not tell")] = None,
    config: Annotated[File, typer.Option(help="config file, if not beside the checkpoint")] = None,
    vocab: Annotated[File, typer.Option(help="vocabulary file, if not beside the checkpoint")] = None,
    converter_config: Annotated[
        File, typer.Option(help="BERT: converter_config.json with config, class and mappings")
    ] = None,
    head: Annotated[Text, typer.Option(help="task head; `parity inspect` lists those the checkpoint holds")] = None,
    format: Annotated[str, typer.Option(help="weights: safetensors or bin")] = "safetensors",  # noqa: A002
    activation: Annotated[Text, typer.Option(help='what "gelu" means: erf or tanh')] = None,
    lower_case: Annotated[bool | None, typer.Option("--lower-case/--cased", help="casing of the tokenizer")] = None,
    strip_accents: Annotated[
        bool | None, typer.Option("--strip-accents/--keep-accents", help="accents in the tokenizer")
    ] = None,
    tokenizer: Annotated[
        bool,
        typer.Option("--tokenizer/--no-tokenizer", help="write tokenizer files; that needs the vocabulary"),
    ] = True,
    compress: Annotated[Text, typer.Option(help="OpenVINO: fp16 or int8 weights; ONNX: int8")] = None,
    name: Annotated[Text, typer.Option(help="spaCy: name of the pipeline")] = None,
    lang: Annotated[Text, typer.Option(help="spaCy: language code")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="leave variables behind, by glob; repeatable")] = None,
    map: Annotated[list[str] | None, typer.Option(help="OLD=NEW variable name; repeatable")] = None,  # noqa: A002
    set: Annotated[list[str] | None, typer.Option(help="KEY=VALUE over the config; repeatable")] = None,  # noqa: A002
    from_graph: Annotated[
        bool, typer.Option("--from-graph", help="OpenVINO: the authors' own graph, from CHECKPOINT's .meta or a .pb")
    ] = False,
    input: Annotated[  # noqa: A002
        Text, typer.Option("--input", help="with --from-graph: name[:port][{type}][[shape]], comma separated")
    ] = None,
    output: Annotated[Text, typer.Option("--output", help="with --from-graph: name[:port], comma separated")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace OUT")] = False,
) -> None:
    """Convert a checkpoint and write the proof beside it."""
    from parity.artifacts import Choices, convert_checkpoint

    if from_graph:
        files = (config, vocab, converter_config)
        given = (*files, family, head, activation, lower_case, strip_accents, name, lang, drop, map)
        if to != "openvino" or format != "safetensors" or any(option is not None for option in given):
            raise ParityError(
                "--from-graph takes the graph as it is",
                expected="--to openvino, and of other options --input, --output, --compress, --set graph=FILE, --force",
                remedy="leave the others out",
            )
        _from_graph(checkpoint, out, input, output, compress, pairs("--set", set), force)
        return
    if input is not None or output is not None:
        raise ParityError("--input and --output name nodes of a graph", remedy="add --from-graph")
    choices = Choices(
        family=family,
        head=head,
        activation=activation,
        lower_case=lower_case,
        strip_accents=strip_accents,
        drop=tuple(drop or ()),
        rename=pairs("--map", map),
        settings=pairs("--set", set),
        tokenizer=tokenizer,
    )
    proof = convert_checkpoint(
        checkpoint,
        out,
        to=to,
        config=config,
        vocab=vocab,
        converter_config=converter_config,
        choices=choices,
        form=format,
        force=force,
        compress=compress,
        name=name,
        lang=lang,
    )
    for assumption in proof.assumptions:
        typer.echo(f"assumed: {assumption}", err=True)
    dropped = f", {len(proof.dropped)} left behind" if proof.dropped else ""
    typer.echo(f"{out}: {len(proof.tensors)} tensors{dropped}, proof in conversion.json")


def _from_graph(
    source: str, out: Path, inputs: Text, outputs: Text, compress: Text, settings: Mapping[str, str], force: bool
) -> None:
    from parity.artifacts.tfgraph.convert import convert_graph

    unknown = sorted(settings.keys() - {"graph"})
    if unknown:
        raise ParityError(f"--from-graph has no setting {unknown[0]}", expected="graph=FILE", remedy="mend --set")
    graph = Path(settings["graph"]) if "graph" in settings else None
    proof = convert_graph(
        checkpoint_path(source), out, inputs=inputs, outputs=outputs, graph=graph, compress=compress, force=force
    )
    for line in proof.assumptions:
        typer.echo(f"note: {line}", err=True)
    for name, spelt in proof.notes["inputs"].items():
        typer.echo(f"input {name}: {spelt}")
    for name in proof.notes["outputs"]:
        typer.echo(f"output {name}")
    folded = f", {len(proof.notes['folded'])} folded away" if proof.notes["folded"] else ""
    typer.echo(f"{out}: {len(proof.tensors)} variables found in the IR{folded}, proof in conversion.json")


def verify(
    folder: Annotated[Path, typer.Argument(help="folder that `parity convert` wrote, or file of `parity legacy`")],
    source: Annotated[Text, typer.Option(help="the checkpoint it came from: every tensor is compared")] = None,
) -> None:
    """Check an artifact against its proof, and the proof against its source."""
    from parity.artifacts.legacy.single import as_folder
    from parity.artifacts.verify import verify as check

    with as_folder(folder) if folder.is_file() else nullcontext(folder) as place:
        found = check(place, source=None if source is None else checkpoint_path(source))
    against = f", {found.source_tensors} against the source" if source else ""
    typer.echo(f"{folder}: {found.tensors} tensors and {found.files} files are as the proof says{against}")


def inspect(
    checkpoint: Annotated[str, typer.Argument(help="card name, folder, prefix, .index or .data-… file")],
    json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """Show what a checkpoint holds and what it would become, without converting it."""
    from parity.artifacts.inspect import inspection

    found = inspection(checkpoint_path(checkpoint))
    typer.echo(found.to_json() if json else found.to_text())
    if found.problems and not json:
        raise ParityError(found.problems[0]) if len(found.problems) == 1 else ParityError("; ".join(found.problems))


def checkpoint_path(given: str) -> Path:
    """A path as it stands; a card's name becomes where its checkpoint lies."""
    from parity.models import card_names, resolve

    if not Path(given).exists() and given in card_names():
        return resolve(given).checkpoint
    return Path(given)


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(convert)
    app.command()(verify)
    app.command()(inspect)
