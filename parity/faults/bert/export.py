"""X and P: exported graphs and packages."""

from __future__ import annotations

from parity.faults.shared.numerics import STALE
from parity.faults.values import Fault, Graph

FAULTS = (
    Fault(
        id="X-01", variant="static shape", verdict="refused", place="",
        what="the shape of the example is baked in: other lengths do not run",
        inject=Graph("openvino:f32", "openvino_static"),
    ),
    Fault(
        id="X-02", variant="value gone", verdict="completeness", place="layer.{middle}",
        what="the graph has no value of a tap's name any more", inject=Graph("onnxruntime", "onnx_renamed_tap"),
    ),
    Fault(
        id="X-04", variant="train mode", place="embeddings",
        what="the graph was exported with dropout that is on", inject=Graph("onnxruntime", "onnx_dropout"),
    ),
    Fault(
        id="D-01", variant="a constant of the graph", place="layer.0", causes=("scale",),
        what="the number that scales the scores is off by a part in a thousand",
        inject=Graph("onnxruntime", "onnx_scale"),
    ),
    STALE,
)  # fmt: skip
