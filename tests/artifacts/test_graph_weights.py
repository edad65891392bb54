"""Every architecture's files hold every weight of the folder as stored or transposed; integers stay near; any bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transfo_xl_folders
from graph_runs import KINDS, Run, export, hf_model, opened, saved

from parity.artifacts.graph_constants import ir_constants, onnx_constants
from parity.artifacts.graph_export import read_source
from parity.artifacts.quantised import quantised
from parity.graphfile import ir_places, onnx_file

ROWS, LENGTH, VOCABULARY = 3, 6, 53


def _gpt2(folder: Path) -> Path:
    from transformers import GPT2Config

    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 16}
    config = GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **sizes)
    return saved(hf_model("GPT2LMHeadModel", config), folder)


def _gpt(folder: Path) -> Path:
    from transformers import OpenAIGPTConfig

    config = OpenAIGPTConfig(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=16)
    return saved(hf_model("OpenAIGPTDoubleHeadsModel", config), folder)


def _xlnet(folder: Path) -> Path:
    from transformers import XLNetConfig

    config = XLNetConfig(vocab_size=VOCABULARY, d_model=32, n_layer=2, n_head=4, d_inner=64, ff_activation="gelu_new")
    return saved(hf_model("XLNetLMHeadModel", config), folder)


def _transfo_xl(folder: Path) -> Path:
    config = transfo_xl_folders.CONFIG
    arrays = transfo_xl_folders.weights(config)
    return transfo_xl_folders.write_folder(folder, arrays, config, target_class="TransfoXLLMHeadModel")


FOLDERS: dict[str, Callable[[Path], Path]] = {
    "gpt2": _gpt2, "openai-gpt": _gpt, "xlnet": _xlnet, "transfo-xl": _transfo_xl
}  # fmt: skip
UNUSED = {"xlnet": {"transformer.mask_emb"}}
"""Only the second stream reads it."""


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request, tmp_path_factory) -> tuple[str, Path]:
    return request.param, FOLDERS[request.param](tmp_path_factory.mktemp(request.param))


def inputs(kind: str, path: Path) -> dict[str, Any]:
    """Ids, and whatever else the file asks for, of length 0 where it is a state."""
    ids = np.random.default_rng(2).integers(0, VOCABULARY, (ROWS, LENGTH))
    fed: dict[str, Any] = {"input_ids": ids}
    places = shapes(kind, path)
    fed |= {n: np.full_like(ids, n == "attention_mask") for n in ("attention_mask", "token_type_ids") if n in places}
    states = {name: shape for name, shape in places.items() if name.startswith(("past.", "mems."))}
    return fed | {name: np.zeros((ROWS, *shape[1:]), np.float32) for name, shape in states.items()}


def shapes(kind: str, path: Path) -> dict[str, list[int]]:
    if kind == "onnx":
        import onnx

        graph = onnx.load(path).graph
        return {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in graph.input}
    import openvino

    model = openvino.Core().read_model(path)
    return {
        port.get_any_name(): [size.get_length() if size.is_static else 0 for size in port.get_partial_shape()]
        for port in model.inputs
    }


def last(kind: str, path: Path) -> np.ndarray:
    run: Run = opened(kind, path)
    return next(value for name, value in run(inputs(kind, path)).items() if name in ("logits", "log_probs"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_in_the_file_once(kind, folder, tmp_path):
    family, source = folder
    path = export(kind, source, tmp_path / "out")
    found = list((ir_constants if kind == "openvino" else onnx_constants)(path))
    held = {one.sha256 for one in found} | {one.sha256_transposed for one in found}
    weights = read_source(source).weights
    missing = {name for name in weights._arrays if hashlib.sha256(weights.read(name).tobytes()).hexdigest() not in held}
    assert missing == UNUSED.get(family, set())
    large = [one.sha256 for one in found if np.prod(one.shape) > 64 and one.dtype == "float32"]
    assert len(large) == len(set(large))


@pytest.mark.parametrize("kind", KINDS)
def test_two_exports_are_the_same_bytes(kind, folder, tmp_path):
    first, second = (export(kind, folder[1], tmp_path / name).parent for name in ("first", "second"))
    assert sorted(path.name for path in first.iterdir()) == sorted(path.name for path in second.iterdir())
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


@pytest.mark.parametrize("compress", ["fp16", "int8"])
def test_compressed_irs_stay_near(compress, folder, tmp_path):
    plain, narrow = export("openvino", folder[1], tmp_path / "f32"), tmp_path / compress
    path = export("openvino", folder[1], narrow, compress=compress)
    assert path.with_suffix(".bin").stat().st_size < 0.8 * plain.with_suffix(".bin").stat().st_size
    full, half = (last("openvino", one) for one in (plain, path))
    assert 0 < np.abs(full - half).max() < 0.1 * np.abs(full).max()


def test_integers_in_an_ir_are_the_nearest_steps_of_kernels(folder, tmp_path):
    path = export("openvino", folder[1], tmp_path / "int8", compress="int8")
    weights, integers = read_source(folder[1]).weights, quantised(ir_places(path))
    assert len(integers) >= 8
    for name, stored in integers.items():
        assert stored.holds(weights.read(name).reshape(stored.integers.shape)), name


def test_onnx_runtime_quantises_the_graph(folder, tmp_path):
    from parity.artifacts.onnx_int8 import quantise

    path = export("onnx", folder[1], tmp_path / "out")
    full = last("onnx", path)
    quantise(path.parent)
    assert len(quantised(onnx_file(path).places)) >= 8
    assert 0 < np.abs(last("onnx", path) - full).max() < 0.3 * np.abs(full).max()


def test_large_weights_beside_an_onnx_file_are_read(folder, tmp_path):
    one, two = (export("onnx", folder[1], tmp_path / str(size), single_file=size) for size in (1 << 30, 1000))
    assert (two.parent / "model.onnx.data").is_file()
    np.testing.assert_array_equal(_session(one), _session(two))


def _session(path: Path) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answer: np.ndarray = session.run(None, inputs("onnx", path))[-1]
    return answer
