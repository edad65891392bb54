"""OpenVINO on the CPU: the IR in float32, in the precision OpenVINO picks by itself, or in one it is asked for.

`f16-weights` and `int8-weights` compute in float32 with weights that are stored so; `int8` quantises activations too,
by groups of 32, which is what OpenVINO does with such weights unless it is told not to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from parity.backends import graphs
from parity.backends.graphs import POSITIONS
from parity.backends.job import Job
from parity.errors import ParityError
from parity.graphfile import ir_places
from parity.tensorfile import Array

FILE = "openvino_model.xml"
_NO_GROUPS, _GROUP = "0", "32"
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
_VARIANTS: Mapping[str, Mapping[str, str]] = {
    "f32": _EXACT,
    "f16-weights": _EXACT,
    "int8-weights": {**_EXACT, "DYNAMIC_QUANTIZATION_GROUP_SIZE": _NO_GROUPS},
    "int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP},
    "default": {},
    "f16": {"INFERENCE_PRECISION_HINT": "f16"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
}
_STORED = {"f16-weights": "float16", "int8-weights": "int8", "int8": "int8"}
"""Variants that are about the weights of an IR, and what it has to store them in."""
_PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def open(job: Job) -> OpenvinoBackend:  # noqa: A001 - the name every runtime module has
    """Load `openvino_model.xml` from the job's artifact folder.

    A precision that this processor does not compute in makes every tap unavailable, with that reason.

    Raises:
        ParityError: not a readable IR, other inputs than this architecture's, other weights than the variant is about,
            or an unknown variant or setting.
    """
    return OpenvinoBackend(job)


class OpenvinoBackend:
    """One compiled IR, or its twin with the asked taps as outputs."""

    def __init__(self, job: Job) -> None:
        if job.variant not in _VARIANTS:
            raise ParityError(
                f"no variant {job.variant!r}", where=job.backend, expected=f"one of {', '.join(_VARIANTS)}"
            )
        core = ov.Core()
        model = _read(core, job.artifact / FILE, job.family)
        self._shapes = {port.get_any_name(): _sizes(port) for port in model.inputs}
        self._weights = _stored(model)
        if _STORED.get(job.variant, self._weights) != self._weights:
            raise ParityError(
                f"{job.name} is about an IR with {_STORED[job.variant]} weights",
                where=job.artifact,
                got=self._weights,
                remedy="convert with --compress",
            )
        inner = (op for op in model.get_ordered_ops() if op.get_type_name() != "Result")
        ports = {name: port for op in inner for port in op.outputs() for name in port.get_names()}
        shipped = [result.input_value(0) for result in model.get_results()]
        self._outputs = [result.get_friendly_name() for result in model.get_results()]
        self._aliases = {
            alias: name
            for name, port in zip(self._outputs, shipped, strict=True)
            for alias in port.get_names() - {name} or {name}
        }
        self._asked = job.taps
        self._plan = graphs.plan(job, inner=ports, aliases=self._aliases, outputs=self._outputs)
        if not self._plan.untouched:
            self._outputs = list(self._plan.taps)
            _retap(model, ports, self._plan.taps)
        options = {**_VARIANTS[job.variant], "INFERENCE_NUM_THREADS": job.threads}
        try:
            self._compiled: Any = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise ParityError(f"OpenVINO cannot compile the graph: {_reason(error)}", where=job.artifact) from error
        self._device = core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        self._precision, self._refused = self._picked(), ""
        asked = _PRECISIONS.get(_VARIANTS[job.variant].get("INFERENCE_PRECISION_HINT", ""), self._precision)
        if asked not in (self._precision, "float32"):
            self._refused = f"{self._device} does not compute in {asked}, OpenVINO would in {self._precision}"

    def _picked(self) -> str:
        """What is really computed in: OpenVINO says so of floats, and of integers by its group size."""
        picked: str = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        grouped = str(self._compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE")) == _GROUP
        if self._weights == "int8" and grouped:
            return "int8"
        return _PRECISIONS.get(picked, picked)

    def describe(self) -> Mapping[str, str]:
        """Version, processor, the precision OpenVINO really picked, and that of the stored weights."""
        return {
            "version": ov.get_version(),
            "precision": self._precision,
            "weights": self._weights,
            "device": self._device,
            "graph": "shipped" if self._plan.untouched else "tapped",
        }

    def unavailable(self) -> Mapping[str, str]:
        """Taps that this graph cannot show; all of them where the processor lacks the precision asked for."""
        return dict.fromkeys(self._asked, self._refused) if self._refused else self._plan.unavailable

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The taps of one batch, float32."""
        if self._refused:
            return {}
        results = self._compiled(graphs.feeds(inputs, self._shapes, positions=self._plan.entry is not None))
        outputs = {name: results[number] for number, name in enumerate(self._outputs)}
        if self._plan.untouched:
            return graphs.from_outputs(self._plan.taps, outputs, self._aliases, inputs)
        return outputs

    def close(self) -> None:
        """Release the compiled graph."""
        self._compiled = None


def _read(core: Any, path: Path, family: str) -> Any:
    ir_places(path)  # a missing or truncated .bin, said clearly
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise ParityError(f"not a readable OpenVINO IR: {_reason(error)}", where=path) from error
    graphs.check_inputs([port.get_any_name() for port in model.inputs], family=family, where=str(path))
    return model


def _sizes(port: Any) -> list[int | None]:
    return [size.get_length() if size.is_static else None for size in port.get_partial_shape()]


def _retap(model: Any, ports: Mapping[str, Any], taps: Sequence[str]) -> None:
    """Make `taps` the outputs of the model, vocabulary logits at `logit_positions` only."""
    for result in model.get_results():
        model.remove_result(result)
    name = graphs.entry(taps)
    if name is not None:
        positions = opset.parameter([-1, -1], np.int64)
        positions.output(0).get_tensor().set_names({POSITIONS})
        entry = ports[name]
        readers = entry.get_target_inputs()
        gathered = opset.gather(entry, positions, opset.constant(1, np.int64), batch_dims=1)
        for reader in readers:
            reader.replace_source_output(gathered.output(0))
        ports = {**ports, graphs.gathered(name): gathered.output(0)}
        model.add_parameters([positions])
    model.add_results([opset.result(ports[graphs.twin_name(tap)]) for tap in taps])
    model.validate_nodes_and_infer_types()


def _stored(model: Any) -> str:
    """What the weights are stored in: the narrowest dtype of any constant that is no index."""
    constants = (op for op in model.get_ordered_ops() if op.get_type_name() == "Constant")
    types = {op.get_element_type() for op in constants}
    return "int8" if ov.Type.i8 in types else "float16" if ov.Type.f16 in types else "float32"


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
