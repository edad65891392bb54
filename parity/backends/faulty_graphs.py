"""Exported graphs, edited: the graph side of `parity.faults`. Every function takes the artifact's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def openvino_fp16(folder: Path) -> None:
    """Saved again with OpenVINO's default compression."""
    _save_ir(folder, lambda model: None, compress=True)


def openvino_static(folder: Path) -> None:
    """Every input has the shape of one example: one row of seven positions, as many of memory."""

    def shape(port: Any) -> list[int]:
        # Inputs [B,T], [B,M,D] and [B,H,P,d]: an axis without a number is one of rows, or of positions.
        return [1 if axis == 0 else size if size > 0 else 7 for axis, size in enumerate(_sizes(port))]

    _save_ir(folder, lambda model: model.reshape({port: shape(port) for port in model.inputs}))


def _sizes(port: Any) -> list[int]:
    return [axis.get_length() if axis.is_static else -1 for axis in port.get_partial_shape()]


def _save_ir(folder: Path, change: Callable[[Any], Any], *, compress: bool = False) -> None:
    import openvino as ov

    model = ov.Core().read_model(str(folder / "openvino_model.xml"))
    change(model)
    ov.save_model(model, str(folder / "new.xml"), compress_to_fp16=compress)
    del model
    for suffix in ("xml", "bin"):
        (folder / f"new.{suffix}").replace(folder / f"openvino_model.{suffix}")


def onnx_fp16(folder: Path) -> None:
    """Every weight through float16; single numbers, such as the lowest one that hides what is masked, stay."""

    def change(name: str, x: Any) -> Any:
        return x.astype(np.float16).astype(np.float32) if x.ndim else x

    _save_onnx(folder, lambda model: _initializers(model, change))


def onnx_scale(folder: Path) -> None:
    """The number that multiplies the scores, the only one below 1 that is no mask, times 1.001."""

    def change(name: str, x: Any) -> Any:
        return x * np.float32(1.001) if x.ndim == 0 and 0 < x < 1 else x

    _save_onnx(folder, lambda model: _initializers(model, change))


def onnx_dropout(folder: Path) -> None:
    """Dropout, in training mode, behind the embeddings."""

    def change(model: Any) -> None:
        from onnx import helper, numpy_helper

        graph = model.graph
        at = next(number for number, node in enumerate(graph.node) if "embeddings" in node.output)
        inner = "embeddings.raw"
        graph.node[at].output[:] = [inner if name == "embeddings" else name for name in graph.node[at].output]
        for name, value in (("dropout.ratio", np.float32(0.1)), ("dropout.training", np.bool_(True))):
            tensor = numpy_helper.from_array(np.asarray(value), name)
            graph.node.insert(0, helper.make_node("Constant", [], [name], value=tensor))
        node = helper.make_node("Dropout", [inner, "dropout.ratio", "dropout.training"], ["embeddings"], seed=5)
        graph.node.insert(at + 3, node)

    _save_onnx(folder, change)


def onnx_renamed_tap(folder: Path) -> None:
    """The middle layer's value has another name."""

    def change(model: Any) -> None:
        layers = {name for node in model.graph.node for name in node.output if name[6:].isdecimal()}
        old = f"layer.{len(layers) // 2}"
        for node in model.graph.node:
            node.input[:] = ["renamed" if name == old else name for name in node.input]
            node.output[:] = ["renamed" if name == old else name for name in node.output]

    _save_onnx(folder, change)


def _initializers(model: Any, change: Callable[[str, Any], Any]) -> None:
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(tensor.name, array), np.float32), tensor.name))


def _save_onnx(folder: Path, change: Callable[[Any], None]) -> None:
    import onnx

    path = folder / "model.onnx"
    model = onnx.load(str(path))
    change(model)
    path.unlink()
    onnx.save(model, str(path))


EDITS: Mapping[str, Callable[[Path], None]] = {
    edit.__name__: edit
    for edit in (openvino_fp16, openvino_static, onnx_fp16, onnx_scale, onnx_dropout, onnx_renamed_tap)
}
"""By name."""
