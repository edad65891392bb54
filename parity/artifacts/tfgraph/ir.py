"""A frozen graph through OpenVINO's own TensorFlow frontend, and run once to see that it is the same graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from parity.artifacts.tfgraph.freezing import Frozen
from parity.errors import ParityError
from parity.tensorfile import Array

_END = "parity_output_"


@dataclass(frozen=True)
class IR:
    """An OpenVINO model; inputs in the order of the feeds, outputs in the order asked for, by the graph's names."""

    model: Any
    FILE: ClassVar[str] = "openvino_model.xml"

    def save(self, folder: Path, *, half: bool) -> None:
        """Write `openvino_model.xml` and `.bin`.

        Raises:
            ParityError: the disk is full.
        """
        import openvino as ov

        try:
            ov.save_model(self.model, str(folder / self.FILE), compress_to_fp16=half)
        except RuntimeError as error:
            raise ParityError(f"OpenVINO cannot write the graph: {_reason(error)}", where=folder) from error

    @classmethod
    def load(cls, folder: Path) -> IR:
        """What `save` wrote: weights in the precision that they were stored in."""
        import openvino as ov

        return cls(ov.Core().read_model(str(folder / cls.FILE)))

    def run(self, batches: Iterable[Mapping[str, Array]]) -> list[list[Array]]:
        """Outputs of each batch in float32 arithmetic.

        Raises:
            ParityError: OpenVINO cannot run it.
        """
        import openvino as ov

        exact = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY", "INFERENCE_NUM_THREADS": 1}
        count = range(len(self.model.outputs))
        try:
            compiled = ov.Core().compile_model(self.model, "CPU", exact)
            answers = (compiled(list(batch.values())) for batch in batches)
            return [[np.array(answer[number]) for number in count] for answer in answers]
        except RuntimeError as error:
            raise ParityError(f"OpenVINO cannot run the graph: {_reason(error)}") from error


def convert_frozen(frozen: Frozen, types: Sequence[int], scratch: Path, *, longest: int) -> IR:
    """Convert by way of a file, which OpenVINO reads without TensorFlow.

    Args:
        frozen: the graph.
        types: TensorFlow's numbers for the types of its outputs.
        scratch: an empty folder.
        longest: rows of a BERT's table of positions, behind which OpenVINO would read on; 0 where there is none.

    Raises:
        ParityError: OpenVINO cannot convert it.
    """
    import openvino as ov

    graph = type(frozen.graph)()
    graph.CopyFrom(frozen.graph)
    # An output that others compute from is no end of the graph, and only ends are outputs to OpenVINO.
    for number, (port, dtype) in enumerate(zip(frozen.outputs, types, strict=True)):
        end = graph.node.add(name=f"{_END}{number}", op="Identity", input=[str(port)])
        end.attr["T"].type = dtype
    path = scratch / "frozen.pb"
    path.write_bytes(graph.SerializeToString())
    try:
        # Not `convert_model`: it reports every conversion to its maker over the network, and folds what we then
        # could not prove. What it fuses, the runtime fuses when it compiles the graph.
        model = _ordered(ov, ov.Core().read_model(str(path)), frozen)
        if longest:
            _bound(ov, model, frozen, longest)
    except (RuntimeError, KeyError) as error:
        raise ParityError(f"OpenVINO cannot convert the graph: {_reason(error)}") from error
    for port, feed in zip(model.inputs, frozen.feeds, strict=True):
        port.get_node().set_friendly_name(feed.name)
        port.get_tensor().set_names({feed.name, str(feed.port)})
    for result, wanted in zip(model.get_results(), frozen.outputs, strict=True):
        tensor = result.input_value(0).get_tensor()
        kept = {name for name in tensor.get_names() if not name.startswith(_END)}
        tensor.set_names(kept | {str(wanted), *([wanted.name] if not wanted.index else [])})
        result.set_friendly_name(wanted.name)
    return IR(model)


def _ordered(ov: Any, model: Any, frozen: Frozen) -> Any:
    """The same graph, its inputs in the order of the feeds and its outputs in the order asked for."""
    parameters = {name: one for one in model.get_parameters() for name in one.output(0).get_names()}
    results = {name: one for one in model.get_results() for name in one.input_value(0).get_names()}
    ends = [results[f"{_END}{number}:0"] for number in range(len(frozen.outputs))]
    return ov.Model(ends, [parameters[f"{feed.name}:0"] for feed in frozen.feeds], "graph")


def _bound(ov: Any, model: Any, frozen: Frozen, longest: int) -> None:
    """Free lengths end where the table of positions does."""
    shapes = {}
    for port, feed in zip(model.inputs, frozen.feeds, strict=True):
        sizes = list(feed.shape or ())
        if len(sizes) == 2 and sizes[1] is None:
            rows = ov.Dimension(-1) if sizes[0] is None else ov.Dimension(sizes[0])
            shapes[port] = ov.PartialShape([rows, ov.Dimension(1, longest)])
    if shapes:
        model.reshape(shapes)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
