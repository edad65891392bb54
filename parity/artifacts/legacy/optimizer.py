"""The Model Optimizer's command line: an IR named after the model, in the folder named or here, its proof beside."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from parity.artifacts.legacy import Done
from parity.artifacts.legacy.parse import Asked
from parity.artifacts.legacy.place import check_free, put, scratch
from parity.artifacts.legacy.single import IR, proof_beside
from parity.artifacts.proof import FILE
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError

_PRECISIONS = {"fp32": "", "float": "", "float32": "", "fp16": "yes", "half": "yes", "float16": "yes"}


def optimize(asked: Asked, *, force: bool) -> Done:
    """Convert a metagraph with its checkpoint, or a frozen graph.

    Raises:
        ParityError: see `parity.artifacts.tfgraph.convert.convert_graph`; or a result is there already.
    """
    from parity.artifacts.tfgraph.convert import convert_graph

    values = asked.values
    source, frozen = _source(values)
    folder = Path(values.get("out") or ".")
    # Like the Model Optimizer: what follows the last dot is the file's kind, and bert_model.ckpt the model's name.
    name = values.get("name") or source.stem
    if Path(name).name != name:
        raise ParityError("--model_name is no name of a file", got=name, remedy="name the folder with --output_dir")
    inputs, half = _inputs(values), _half(values)
    xml = folder / f"{name}.xml"
    wanted = {f"{IR}.xml": xml, f"{IR}.bin": folder / f"{name}.bin", FILE: proof_beside(xml)}
    check_free(wanted.values(), sources=_read(source, frozen), force=force)
    compress = "fp16" if half else None
    with scratch(folder.absolute()) as part:
        made = part / "made"
        proof = convert_graph(source, made, inputs=inputs, outputs=values.get("outputs"), compress=compress)
        put({made / one: place for one, place in wanted.items()}, force=force)
    said = [*asked.said, *(f"assumed: {line}" for line in proof.assumptions)]
    options = {"--input": inputs, "--output": values.get("outputs"), "--compress": compress}
    named = [word for option, value in options.items() if value for word in (option, value)]
    modern = ["parity", "convert", str(source), str(folder / name), "--to", "openvino", "--from-graph", *named]
    return Done(shlex.join(modern), tuple(said), tuple(wanted.values()))


def _source(values: Mapping[str, str]) -> tuple[Path, bool]:
    """The file, and whether it is a frozen graph."""
    given = [role for role in ("meta", "checkpoint") if values.get(role)]
    if len(given) != 1:
        raise ParityError(
            "the Model Optimizer takes one model" if given else "no model is named",
            expected="--input_meta_graph FILE.meta or --input_model FILE.pb",
            remedy="give one of them",
        )
    if values.get("framework", "tf") != "tf":
        raise ParityError("only TensorFlow's graphs are converted", got=f"--framework {values['framework']}")
    source = Path(values[given[0]])
    if not source.is_file():
        raise ParityError("there is no such file", where=source, remedy="check the path")
    return source, given == ["checkpoint"]


def _read(source: Path, frozen: bool) -> list[Path]:
    if frozen:
        return [source]
    with open_checkpoint(source) as opened:
        return [source, *opened.files]


def _inputs(values: Mapping[str, str]) -> str | None:
    """`--input`, with the shapes of `--input_shape` at its names."""
    inputs, shapes = values.get("inputs"), values.get("shapes")
    if not shapes:
        return inputs
    if not inputs:
        raise ParityError("--input_shape says sizes of inputs without names", remedy="name them with --input")
    sizes = re.findall(r"[\[(]([^\])]*)[\])]", shapes)
    names = re.split(r",(?![^\[\]]*\])", inputs)
    if re.sub(r"[\[(][^\])]*[\])]|[,\s]", "", shapes) or len(sizes) != len(names):
        raise ParityError(
            "--input_shape does not fit --input",
            got=shapes,
            expected=f"{len(names)} shapes, as in [1,128]",
            remedy="write each shape at its name, as in Placeholder[1 128]",
        )
    if any("[" in name for name in names):
        raise ParityError("--input has shapes of its own, and --input_shape others", remedy="leave --input_shape out")
    return ",".join(
        f"{name}[{' '.join(size.replace(',', ' ').split())}]" for name, size in zip(names, sizes, strict=True)
    )


def _half(values: Mapping[str, str]) -> bool:
    precision = values.get("data_type", "float").lower()
    if precision not in _PRECISIONS:
        raise ParityError("unknown --data_type", got=values["data_type"], expected="FP32, float, FP16 or half")
    return bool(_PRECISIONS[precision] or values.get("half"))
