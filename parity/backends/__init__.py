"""Runtimes: the table of those that are built in, and whether they are installed. No framework is loaded here."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal

from parity.errors import ParityError

Kind = Literal["source", "pytorch", "spacy", "openvino", "onnx"]
State = Literal["ready", "missing", "broken"]


@dataclass(frozen=True)
class Runtime:
    """One row of the table: a runtime in one variant."""

    name: str
    """`backend` or `backend:variant`."""
    module: str
    """Import path of the module with `open(job)`; importing it imports the runtime."""
    distributions: tuple[str, ...]
    """What has to be installed; the first one's version is the runtime's."""
    extra: str
    """`pip install "parity[<extra>]"`."""
    kind: Kind
    """The artifact it runs; `source` = the checkpoint itself."""
    precision: str
    """What it claims unless asked for another: `default` = whatever it picks, which its description names."""
    standard: bool = True
    """Part of a run that names no backend."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What its artifact is converted with (`--compress`)."""

    @property
    def backend(self) -> str:
        """The name without the variant."""
        return self.name.partition(":")[0]

    @property
    def variant(self) -> str:
        """What follows the colon; may be empty."""
        return self.name.partition(":")[2]

    @property
    def pip(self) -> str:
        """The line that installs it."""
        return f'pip install "parity[{self.extra}]"' if self.extra else "pip install parity"


@dataclass(frozen=True)
class Status:
    """Whether a runtime can be used here, and why not."""

    state: State
    reason: str
    version: str | None


_NUMPY = ("numpy", "scipy")
_TORCH = ("torch", "transformers")
_OPENVINO, _ONNX = ("openvino",), ("onnxruntime", "onnx")
_HERE = "parity.backends"
_FP16, _INT8 = {"compress": "fp16"}, {"compress": "int8"}

RUNTIMES: Mapping[str, Runtime] = {
    row.name: row
    for row in (
        # name, module, distributions, extra, kind, precision, standard, options
        Runtime("oracle", f"{_HERE}.oracle", _NUMPY, "", "source", "float64"),
        Runtime("tensorflow", f"{_HERE}.tensorflow", ("tensorflow",), "tensorflow", "source", "float32"),
        Runtime("tensorflow:f64", f"{_HERE}.tensorflow", ("tensorflow",), "tensorflow", "source", "float64", False),
        Runtime("tensorflow:numpy", f"{_HERE}.oracle", _NUMPY, "", "source", "float32", False),
        Runtime("metagraph", f"{_HERE}.metagraph", ("tensorflow",), "tensorflow", "source", "float32", False),
        Runtime("torch:eager", f"{_HERE}.torch", _TORCH, "torch", "pytorch", "float32"),
        Runtime("torch:sdpa", f"{_HERE}.torch", _TORCH, "torch", "pytorch", "float32"),
        Runtime("torch:bf16", f"{_HERE}.torch", _TORCH, "torch", "pytorch", "bfloat16", False),
        Runtime("torch:f16", f"{_HERE}.torch", _TORCH, "torch", "pytorch", "float16", False),
        Runtime("torch:autocast", f"{_HERE}.torch", _TORCH, "torch", "pytorch", "bfloat16", False),
        Runtime("torch:int8", f"{_HERE}.torch", _TORCH, "torch", "pytorch", "int8", False),
        Runtime("spacy", f"{_HERE}.spacy", ("spacy", *_TORCH), "spacy", "spacy", "float32"),
        Runtime("openvino:f32", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "float32"),
        Runtime("openvino:default", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "default"),
        Runtime(
            "openvino:f16-weights", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "float32", False, _FP16
        ),
        Runtime("openvino:f16", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "float16", False),
        Runtime("openvino:bf16", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "bfloat16", False),
        Runtime(
            "openvino:int8-weights", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "float32", False, _INT8
        ),
        Runtime("openvino:int8", f"{_HERE}.openvino", _OPENVINO, "openvino", "openvino", "int8", False, _INT8),
        Runtime("onnxruntime", f"{_HERE}.onnxruntime", _ONNX, "onnx", "onnx", "float32"),
        Runtime("onnxruntime:none", f"{_HERE}.onnxruntime", _ONNX, "onnx", "onnx", "float32", False),
        Runtime("onnxruntime:int8", f"{_HERE}.onnxruntime", _ONNX, "onnx", "onnx", "int8", False, _INT8),
    )
}


FLOOR = Runtime("floor", f"{_HERE}.floor", _NUMPY, "", "source", "float32", False)
"""What rounding does to a model: traced like a runtime, but nobody's candidate, and so not in the table."""


def runtime(name: str) -> Runtime:
    """The runtime of that full name, `backend` or `backend:variant`.

    Raises:
        ParityError: there is none; the message names the nearest, or the variants of that backend.
    """
    if name in RUNTIMES:
        return RUNTIMES[name]
    variants = [row.name for row in RUNTIMES.values() if row.backend == name]
    near = variants or difflib.get_close_matches(name, RUNTIMES, n=1, cutoff=0.5)
    raise ParityError(
        f"there is no runtime {name}" + (": it has variants" if variants else ""),
        expected=None if near else f"one of {', '.join(RUNTIMES)}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "see `parity backends`",
    )


def runtimes(name: str) -> tuple[Runtime, ...]:
    """The runtime of that full name, or all standard variants of the backend of that name.

    Raises:
        ParityError: there is none.
    """
    variants = tuple(row for row in RUNTIMES.values() if row.backend == name and row.variant and row.standard)
    return variants if name not in RUNTIMES and variants else (runtime(name),)


def installed(row: Runtime) -> str | None:
    """Version of the runtime in this interpreter, read without importing it; None if anything it needs is missing."""
    return status(row).version


def status(row: Runtime) -> Status:
    """Whether everything the runtime needs is installed here, as far as can be told without importing it."""
    versions: list[str] = []
    for distribution in row.distributions:
        try:
            versions.append(metadata.version(distribution))
        except metadata.PackageNotFoundError:
            return Status("missing", f"{distribution} is not installed; {row.pip}", None)
        if importlib.util.find_spec(distribution) is None:
            reason = f"{distribution} {versions[-1]} is on record but its package is gone; {row.pip} --force-reinstall"
            return Status("broken", reason, None)
    return Status("ready", f"{row.distributions[0]} {versions[0]}", versions[0])
