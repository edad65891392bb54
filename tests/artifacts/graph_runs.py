"""Tiny models of transformers with every weight drawn at random, exported, and run as any user would."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("USE_TF", "0")

KINDS = ("openvino", "onnx")
FILES = {"openvino": "openvino_model.xml", "onnx": "model.onnx"}
Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], dict[str, np.ndarray]]


def hf_model(target_class: str, config: Any, *, seed: int = 5) -> Any:
    """A model whose weights are N(0, 0.25), norms around 1, biases too: nothing is 0, 1 or tied by chance."""
    import torch
    import transformers

    config._attn_implementation = "eager"
    model = getattr(transformers, target_class)(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            norm = name.endswith("weight") and value.dim() == 1
            value.copy_(torch.randn(value.shape, generator=generator) * 0.25 + float(norm))
    return model


def saved(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def export(kind: str, folder: Path, out: Path, **options: Any) -> Path:
    out.mkdir(parents=True)
    importlib.import_module(f"parity.artifacts.{kind}").export(folder, out, **options)
    return out / FILES[kind]


def opened(kind: str, path: Path, *, inner: tuple[str, ...] = ()) -> Run:
    """The shipped file in its own runtime, one thread; inner values as outputs besides."""
    if kind == "onnx":
        return _onnx(path, inner)
    import openvino

    model = openvino.Core().read_model(path)
    names = [result.get_friendly_name() for result in model.get_results()]
    ports = {name: port for op in model.get_ordered_ops() for port in op.outputs() for name in port.get_names()}
    shipped = {name for port in model.outputs for name in port.get_names()}
    model.add_outputs([ports[name] for name in inner if name not in shipped])
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.compile_model(model, "CPU", exact)

    def run(inputs: Arrays) -> dict[str, np.ndarray]:
        results = compiled(dict(inputs))
        return {name: results[name] for name in (*names, *inner)}

    return run


def _onnx(path: Path, inner: tuple[str, ...]) -> Run:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inner)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, dict(inputs)), strict=True))


def assert_close(got: np.ndarray, expected: np.ndarray, limit: float = 1e-5) -> None:
    assert got.shape == tuple(expected.shape)
    assert got.dtype == np.float32
    assert np.abs(got - np.asarray(expected)).max() <= limit * np.abs(np.asarray(expected)).max()
