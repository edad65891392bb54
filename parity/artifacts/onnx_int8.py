"""Dynamic int8 for an ONNX file: what `onnxruntime.quantization.quantize_dynamic` makes of it, with its defaults.

Weights of products become int8 with one step per tensor, and so, which its name does not tell, do the tables that are
looked up (uint8 with a zero point). Activations are quantised when the graph runs.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper, numpy_helper

from parity.artifacts.onnx import DATA, FILE
from parity.errors import MissingRuntime, ParityError


def quantise(folder: Path) -> None:
    """Replace `model.onnx` in the folder by its quantised form.

    Raises:
        MissingRuntime: ONNX Runtime, which does it, is not installed.
        ParityError: it refuses the graph, or the weights are too large for one file.
    """
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        remedy = 'pip install "parity[onnx]"'
        raise MissingRuntime("ONNX Runtime quantises the weights and is not installed here", remedy=remedy) from error
    path = folder / FILE
    if (folder / DATA).exists():
        raise ParityError("too large to be quantised in one file", where=path, remedy="leave --compress out")
    model = onnx.load(path)
    # Keeps it from asking for a preparation that our graphs do not need, on the root logger.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    try:
        quantize_dynamic(model, path, weight_type=QuantType.QInt8)
    except Exception as error:  # the quantiser raises whatever onnx and Python raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ParityError(f"ONNX Runtime cannot quantise the graph: {reason}", where=path) from error
    written = onnx.load(path)
    raw = [numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name) for tensor in written.graph.initializer]
    del written.graph.initializer[:]
    written.graph.initializer.extend(raw)  # as bytes that can be mapped, scales too
    path.write_bytes(written.SerializeToString(deterministic=True))
