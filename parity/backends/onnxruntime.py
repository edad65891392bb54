"""ONNX Runtime on the CPU, with all its graph optimizations or with none, or on a file that was quantised to int8.

The twin is a graph of some hundred kilobytes whose weights are the shipped file's own bytes: each initializer points
into the file at its place, so that nothing is copied, or could differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import TensorProto, helper

from parity.backends import graphs
from parity.backends.graphs import POSITIONS
from parity.backends.job import Job
from parity.errors import ParityError
from parity.graphfile import OnnxFile, Place, onnx_file
from parity.tensorfile import Array

FILE = "model.onnx"
_LEVELS = onnxruntime.GraphOptimizationLevel
_VARIANTS: Mapping[str, Any] = {
    "": _LEVELS.ORT_ENABLE_ALL,
    "none": _LEVELS.ORT_DISABLE_ALL,
    "int8": _LEVELS.ORT_ENABLE_ALL,
}
_PROVIDER = "CPUExecutionProvider"
_INTEGER = {"MatMulInteger", "DynamicQuantizeMatMul"}
"""Operators that compute in integers."""
# Shapes and axes have to be in the graph itself: ONNX Runtime reads them before it opens files of weights.
_INLINE = 1024
_ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
}


def open(job: Job) -> OnnxruntimeBackend:  # noqa: A001 - the name every runtime module has
    """Load `model.onnx` from the job's artifact folder.

    Raises:
        ParityError: not a readable ONNX file, other inputs than this architecture's, or an unknown variant or setting.
    """
    return OnnxruntimeBackend(job)


class OnnxruntimeBackend:
    """One session over the shipped file, or over its twin with the asked taps as outputs."""

    def __init__(self, job: Job) -> None:
        if job.variant not in _VARIANTS:
            raise ParityError(f"no variant {job.variant!r}", where=job.backend, expected="none, int8, or no variant")
        path = job.artifact / FILE
        file = onnx_file(path)
        model = _parsed(path, file)
        self._shapes = {value.name: _sizes(value) for value in model.graph.input}
        graphs.check_inputs(self._shapes, family=job.family, where=str(path))
        self._precision = "int8" if _INTEGER & {node.op_type for node in model.graph.node} else "float32"
        if job.variant == "int8" and self._precision != "int8":
            raise ParityError(
                f"{job.name} is about a quantised file",
                where=path,
                got="float32",
                remedy="convert with --compress int8",
            )
        outputs = [value.name for value in model.graph.output]
        inner = {name for node in model.graph.node for name in node.output}
        second = {
            node.input[0]: node.output[0]
            for node in model.graph.node
            if node.op_type == "Identity" and node.output[0] in outputs
        }
        self._aliases = second | {name: name for name in set(outputs) - set(second.values())}
        self._plan = graphs.plan(job, inner=inner, aliases=self._aliases, outputs=outputs)
        self._outputs = outputs if self._plan.untouched else list(self._plan.taps)
        self._names = outputs if self._plan.untouched else [graphs.twin_name(tap) for tap in self._plan.taps]
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = _VARIANTS[job.variant]
        options.intra_op_num_threads, options.inter_op_num_threads = job.threads, 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(path.parent.resolve())
        )
        shown: str | bytes = str(path) if self._plan.untouched else _twin(model, file, self._plan.taps)
        try:
            self._session: Any = onnxruntime.InferenceSession(shown, options, providers=[_PROVIDER])
        except Exception as error:  # the runtime's exceptions have no base of their own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ParityError(f"ONNX Runtime cannot load the graph: {reason}", where=path) from error
        self._level = _VARIANTS[job.variant].name

    def describe(self) -> Mapping[str, str]:
        """Version, precision, and how far the graph is optimized."""
        return {
            "version": onnxruntime.__version__,
            "precision": self._precision,
            "provider": _PROVIDER,
            "optimization": self._level,
            "graph": "shipped" if self._plan.untouched else "tapped",
        }

    def unavailable(self) -> Mapping[str, str]:
        """Taps that this graph cannot show."""
        return self._plan.unavailable

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The taps of one batch, float32."""
        fed = graphs.feeds(inputs, self._shapes, positions=self._plan.entry is not None)
        results = self._session.run(self._names, fed)
        outputs = dict(zip(self._outputs, results, strict=True))
        if self._plan.untouched:
            return graphs.from_outputs(self._plan.taps, outputs, self._aliases, inputs)
        return outputs

    def close(self) -> None:
        """Release the session."""
        self._session = None


def _parsed(path: Path, file: OnnxFile) -> Any:
    try:
        return onnx.ModelProto.FromString(file.skeleton)
    except Exception as error:  # protobuf's DecodeError, which differs between its implementations
        raise ParityError("not a readable ONNX file", where=path, got=type(error).__name__) from error


def _sizes(value: Any) -> list[int | None]:
    return [axis.dim_value if axis.HasField("dim_value") else None for axis in value.type.tensor_type.shape.dim]


def _twin(model: Any, file: OnnxFile, taps: Sequence[str]) -> bytes:
    """The same nodes and initializers with `taps` as outputs, vocabulary logits at `logit_positions` only."""
    graph = model.graph
    nodes = list(graph.node)
    entry = graphs.entry(taps)
    if entry is not None:
        graph.input.append(helper.make_tensor_value_info(POSITIONS, TensorProto.INT64, ["batch", "positions"]))
        nodes = _gathering(nodes, entry)
    names = [graphs.twin_name(tap) for tap in taps]
    wanted, kept = set(names), list[Any]()
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    del graph.node[:], graph.output[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    graph.output.extend(helper.make_tensor_value_info(tap, TensorProto.FLOAT, None) for tap in names)
    graph.initializer.extend(_pointing(place) for place in file.places if place.name in wanted)
    return bytes(model.SerializeToString())


def _gathering(nodes: Sequence[Any], entry: str) -> list[Any]:
    at, gathered = f"{POSITIONS}.index", graphs.gathered(entry)
    axis = helper.make_tensor(f"{at}.axis", TensorProto.INT64, [1], [2])
    extra = [
        helper.make_node("Constant", [], [axis.name], value=axis),
        helper.make_node("Unsqueeze", [POSITIONS, axis.name], [at]),
        helper.make_node("GatherND", [entry, at], [gathered], batch_dims=1),
    ]
    woven: list[Any] = []
    for node in nodes:
        for number, name in enumerate(node.input):
            if name == entry:
                node.input[number] = gathered
        woven.append(node)
        if entry in node.output:
            woven += extra
    return woven


def _pointing(place: Place) -> Any:
    tensor = TensorProto(name=place.name, data_type=_ONNX_TYPES[place.dtype], dims=place.shape)
    if place.nbytes <= _INLINE:
        tensor.raw_data = place.read().tobytes()
        return tensor
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place.file.name), ("offset", place.offset), ("length", place.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
