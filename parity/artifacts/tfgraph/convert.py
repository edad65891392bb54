"""`parity convert --to openvino --from-graph`: the authors' own graph, restored, frozen, and made an OpenVINO IR.

What the Model Optimizer did with `--input_meta_graph` and `--input_model`, which OpenVINO itself no longer does: a
`.meta` of TensorFlow 1 holds operations for saving that its frontend refuses, and inputs cannot be cut there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.artifacts.folder import check_free, new_folder
from parity.artifacts.proof import Proof
from parity.artifacts.tfgraph.choosing import choose_inputs, choose_outputs, choose_sizes, sized
from parity.artifacts.tfgraph.freezing import Feed, Frozen, freeze, resize
from parity.artifacts.tfgraph.ir import IR, convert_frozen
from parity.artifacts.tfgraph.probing import apart, limits, probes
from parity.artifacts.tfgraph.proving import Made, prove
from parity.artifacts.tfgraph.reaching import reach
from parity.artifacts.tfgraph.reading import META, Graph, read_graph
from parity.artifacts.tfgraph.running import Running
from parity.artifacts.tfgraph.spec import Port, parse_inputs, parse_outputs
from parity.artifacts.tfgraph.variables import graph_of, missing, reader
from parity.checkpoints import Checkpoint, open_checkpoint
from parity.errors import MissingRuntime, ParityError, Problems

_NEEDS = ("tensorflow", "openvino")
_ALLOWED = {None: 1e-3, "fp16": 3e-2}
"""Largest deviation of an output, relative to its largest value: another graph is far beyond, rounding far below."""
_FROZEN = ".pb"


def convert_graph(
    source: Path,
    out: Path,
    *,
    inputs: str | None = None,
    outputs: str | None = None,
    graph: Path | None = None,
    compress: str | None = None,
    force: bool = False,
) -> Proof:
    """Convert a checkpoint's `.meta`, or a frozen `.pb`, into the folder `out` and return the proof that lies in it.

    Args:
        source: a checkpoint with its `.meta` (folder, prefix, any of its files), or a frozen GraphDef (`.pb`).
        out: the folder to make; appears whole or not at all.
        inputs: what to cut the graph at, as `parse_inputs` reads it; by default where its batches come from.
        outputs: what to keep, as `parse_outputs` reads it; by default what the graph ends in, or a BERT's last layer,
            pooler and logits.
        graph: another `.meta` than the one beside the checkpoint.
        compress: `fp16` stores weights in half precision.
        force: replace `out`.

    Raises:
        ParityError: the graph is refused, does not fit its checkpoint, or cannot be converted.
        MissingRuntime: TensorFlow or OpenVINO is not installed.
    """
    if compress not in _ALLOWED:
        raise ParityError("a graph's weights cannot be stored so", got=compress, expected="--compress fp16")
    absent = [name for name in _NEEDS if find_spec(name) is None]
    if absent:
        raise MissingRuntime(
            f"--from-graph needs {', '.join(absent)}, not installed here",
            remedy='pip install "parity[tensorflow,openvino]"',
        )
    specs, ports = parse_inputs(inputs) if inputs else (), parse_outputs(outputs) if outputs else ()
    check_free(out, force=force)
    with ExitStack() as stack:
        checkpoint = None if _is_frozen(source) else stack.enter_context(open_checkpoint(source))
        path = graph or (source if checkpoint is None else _graph_beside(source, checkpoint))
        for file in (path, *(checkpoint.files if checkpoint else ())):
            if file.resolve().is_relative_to(out.resolve()):
                raise ParityError("OUT holds the source itself", where=out, got=file.name, remedy="choose another OUT")
        read = read_graph(path)
        wanted = choose_outputs(read, ports, checkpoint)
        feeds = choose_inputs(read, wanted, specs)
        folder = stack.enter_context(new_folder(out, force=force))
        made = _made(read, wanted, feeds, checkpoint, folder, compress)
        proof = prove(read, made, checkpoint, folder, compress=compress)
        proof.write(folder)
        return proof


def _is_frozen(source: Path) -> bool:
    return source.suffix == _FROZEN and source.is_file()


def _graph_beside(source: Path, checkpoint: Checkpoint) -> Path:
    return source if source.suffix == META and source.is_file() else graph_of(checkpoint)


def _made(
    graph: Graph,
    wanted: Sequence[Port],
    feeds: Sequence[Feed],
    checkpoint: Checkpoint | None,
    folder: Path,
    compress: str | None,
) -> Made:
    """The freest sizes that the graph itself runs in, on TensorFlow, and OpenVINO with it to the same values."""
    refused: list[str] = []
    tries = choose_sizes(graph, feeds)
    if checkpoint is not None:
        missing(graph, reach(graph, wanted, [feed.port for feed in feeds]).variables, checkpoint)
    frozen = freeze(graph, wanted, feeds, reader(checkpoint, graph.where))
    for sizes in tries:
        frozen = resize(frozen, sized(feeds, sizes))
        try:
            return Made(frozen, sizes, _tried(graph, frozen, folder, compress), tuple(refused))
        except ParityError as error:
            refused.append(f"{sizes.text}: {error.what}")
    problems = Problems("the graph cannot be converted", where=graph.where)
    for reason in refused:
        problems.add(reason)
    problems.raise_if_any()
    raise AssertionError("there is always a size to try")


def _tried(graph: Graph, frozen: Frozen, folder: Path, compress: str | None) -> dict[str, float]:
    """Largest relative deviation of each output; the IR lies in `folder`.

    Raises:
        ParityError: TensorFlow does not run the graph in these sizes, or OpenVINO does not, or to other values.
    """
    batches = list(probes(graph, frozen.feeds))
    running = Running(frozen, where=str(graph.where))
    try:
        types = [running.dtype(port) for port in frozen.outputs]
        expected = [running.run(batch, frozen.outputs) for batch in batches]
    finally:
        running.close()
    held = limits(graph)
    with TemporaryDirectory(prefix="parity-graph-") as scratch:
        made = convert_frozen(frozen, types, Path(scratch), longest=held.positions if held else 0)
        made.save(folder, half=compress == "fp16")
    answers = IR.load(folder).run(batches)
    found = [apart(answer, values) for answer, values in zip(answers, expected, strict=True)]
    worst = {str(port): max(one[number] for one in found) for number, port in enumerate(frozen.outputs)}
    beyond = {name: value for name, value in worst.items() if not value <= _ALLOWED[compress]}
    if beyond:
        name, value = next(iter(beyond.items()))
        raise ParityError(f"OpenVINO computes {name} {value:.2g} beside TensorFlow, relative to its largest value")
    return worst
