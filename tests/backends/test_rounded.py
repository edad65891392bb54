"""Quantisers beside the runtime's own, and where a recipe's roundings fall."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper

from parity.backends.executors.rounded import Grid, RoundedOps
from parity.backends.recipes import RECIPES, recipe, recipe_name
from parity.errors import ParityError
from parity.ops import Stage

RNG = np.random.default_rng(3)
WEIGHT, BIAS = RNG.normal(size=(8, 6)).astype(np.float32), RNG.normal(size=6).astype(np.float32)
X = RNG.normal(size=(2, 3, 8)).astype(np.float32)


def half(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16).astype(np.float32)


def dense(ops, x):
    return ops.add(ops.matmul(x, ops.weight("kernel")), ops.weight("bias"))


def run(name: str, fn=dense, *, output: bool = False) -> np.ndarray:
    ops = RoundedOps({"kernel": WEIGHT, "bias": BIAS}.__getitem__, recipe(name))
    return ops.watch(Stage("it", (), fn), output=output).fn(ops, X)


def test_the_activation_quantiser_is_onnx_runtimes() -> None:
    info = helper.make_tensor_value_info
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", [info("x", float32, None)], [info("y", float32, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for x in (X, np.abs(X), -np.abs(X) - 1, np.zeros_like(X)):
        np.testing.assert_allclose(Grid(0, 255)(x), session.run(None, {"x": x})[0], rtol=1e-6, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float32, (3, 64), elements=st.floats(-100, 100, width=32)))
def test_a_symmetric_grid_errs_by_half_a_step_of_its_group(x: np.ndarray) -> None:
    groups = x.reshape(3, 2, 32)
    steps = np.abs(groups).max(axis=-1, keepdims=True) / 127
    error = np.abs(Grid(-127, 127, symmetric=True, group=32)(x).reshape(groups.shape) - groups)
    assert (error <= steps * 0.5001 + 1e-30).all()


def test_a_dense_layer_rounds_once_behind_its_bias() -> None:
    np.testing.assert_array_equal(run("float16"), half(X @ half(WEIGHT) + half(BIAS)))


def test_mixed_precision_rounds_factors_and_results_of_products_only() -> None:
    import ml_dtypes

    def short(x: np.ndarray) -> np.ndarray:
        return x.astype(ml_dtypes.bfloat16).astype(np.float32)

    expected = short(short(X) @ short(WEIGHT) + short(BIAS))
    np.testing.assert_allclose(run("bfloat16-products"), expected, rtol=2**-8)
    np.testing.assert_array_equal(run("bfloat16-products", lambda ops, x: ops.add(x, x)), X + X)
    np.testing.assert_array_equal(
        run("bfloat16-fused", output=True) == short(run("bfloat16-fused", output=True)), False
    )
    assert (run("bfloat16-fused") == short(run("bfloat16-fused"))).all()


def test_every_recipe_says_where_it_is_from_and_is_followed() -> None:
    runtimes = ("torch:bf16", "torch:f16", "torch:autocast", "torch:int8", "openvino:bf16", "openvino:int8")
    precisions = ("bfloat16", "float16", "int8")
    followed = {recipe_name(name, label) for name in (*runtimes, "onnxruntime:int8") for label in precisions}
    assert followed - {None} == set(RECIPES)
    assert all(len(one.provenance) > 40 for one in RECIPES.values())
    assert recipe_name("spacy", "bfloat16") is None
    with pytest.raises(ParityError, match="no such recipe"):
        recipe("float8")
