"""OpenVINO on the CPU: the IR in float32, in the precision OpenVINO picks by itself, or in one it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from parity.backends import graphs
from parity.backends.graphs import POSITIONS, VOCABULARY, VOCABULARY_ENTRY
from parity.backends.job import Job
from parity.errors import ParityError
from parity.graphfile import ir_places
from parity.tensorfile import Array

FILE = "openvino_model.xml"
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
_VARIANTS: Mapping[str, Mapping[str, str]] = {
    "f32": _EXACT,
    "f16-weights": _EXACT,
    "default": {},
    "f16": {"INFERENCE_PRECISION_HINT": "f16"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
}
_PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def open(job: Job) -> OpenvinoBackend:  # noqa: A001 - the name every runtime module has
    """Load `openvino_model.xml` from the job's artifact folder.

    Raises:
        ParityError: not a readable IR, other inputs than BERT's, an unknown variant or setting, or a precision that
            this processor does not compute in.
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
        model = _read(core, job.artifact / FILE)
        if job.variant == "f16-weights":
            from openvino._offline_transformations import compress_model_transformation

            compress_model_transformation(model)
        inner = (op for op in model.get_ordered_ops() if op.get_type_name() != "Result")
        ports = {name: port for op in inner for port in op.outputs() for name in port.get_names()}
        shipped = [result.input_value(0) for result in model.get_results()]
        self._outputs = [result.get_friendly_name() for result in model.get_results()]
        self._aliases = {
            alias: name
            for name, port in zip(self._outputs, shipped, strict=True)
            for alias in port.get_names() - {name}
        }
        self._plan = graphs.plan(job, inner=ports, aliases=self._aliases, outputs=self._outputs)
        if not self._plan.untouched:
            self._outputs = list(self._plan.taps)
            _retap(model, ports, self._plan.taps)
        self._weights = "float16" if _half(model) else "float32"
        options = {**_VARIANTS[job.variant], "INFERENCE_NUM_THREADS": job.threads}
        try:
            self._compiled: Any = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise ParityError(f"OpenVINO cannot compile the graph: {_reason(error)}", where=job.artifact) from error
        self._device = core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        picked = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self._precision = _PRECISIONS.get(picked, picked)
        asked = _VARIANTS[job.variant].get("INFERENCE_PRECISION_HINT", picked)
        if asked != picked:
            raise ParityError(
                f"{self._device} does not compute in {_PRECISIONS[asked]}",
                where=job.name,
                got=self._precision,
                remedy="run this variant on a processor that does",
            )

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
        """Taps that this graph cannot show."""
        return self._plan.unavailable

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The taps of one batch, float32."""
        gathering = not self._plan.untouched and VOCABULARY in self._plan.taps
        results = self._compiled(graphs.feeds(inputs, positions=gathering))
        outputs = {name: results[number] for number, name in enumerate(self._outputs)}
        if self._plan.untouched:
            return graphs.from_outputs(self._plan.taps, outputs, self._aliases, inputs)
        return outputs

    def close(self) -> None:
        """Release the compiled graph."""
        self._compiled = None


def _read(core: Any, path: Path) -> Any:
    ir_places(path)  # a missing or truncated .bin, said clearly
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise ParityError(f"not a readable OpenVINO IR: {_reason(error)}", where=path) from error
    graphs.check_inputs([port.get_any_name() for port in model.inputs], where=str(path))
    return model


def _retap(model: Any, ports: Mapping[str, Any], taps: Sequence[str]) -> None:
    """Make `taps` the outputs of the model, vocabulary logits at `logit_positions` only."""
    for result in model.get_results():
        model.remove_result(result)
    if VOCABULARY in taps:
        positions = opset.parameter([-1, -1], np.int64)
        positions.output(0).get_tensor().set_names({POSITIONS})
        entry = ports[VOCABULARY_ENTRY]
        readers = entry.get_target_inputs()
        gathered = opset.gather(entry, positions, opset.constant(1, np.int64), batch_dims=1)
        for reader in readers:
            reader.replace_source_output(gathered.output(0))
        model.add_parameters([positions])
    model.add_results([opset.result(ports[tap]) for tap in taps])
    model.validate_nodes_and_infer_types()


def _half(model: Any) -> bool:
    constants = (op for op in model.get_ordered_ops() if op.get_type_name() == "Constant")
    return any(op.get_element_type() == ov.Type.f16 for op in constants)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
