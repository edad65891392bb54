"""Which roundings a lower precision means in which runtime: one row per recipe, one line per runtime that follows it.

Each was checked against the runtime itself (`bench/precision.py`, docs/precision.md): the emulated run's error and the
real one's agree within a few per cent, at every station. A precision without a row is measured, not judged.
"""

from __future__ import annotations

from collections.abc import Mapping

from parity.backends.executors.rounded import Grid, Recipe
from parity.errors import ParityError

_KERNELS = "every kernel widens, computes in float32 and rounds its result (PyTorch's CPU kernels)"
RECIPES: Mapping[str, Recipe] = {
    "bfloat16": Recipe(_KERNELS, "bfloat16"),
    "float16": Recipe(_KERNELS, "float16"),
    "bfloat16-products": Recipe(
        "torch.amp on the CPU: linear and matmul in bfloat16, activations in what they are fed, norms and softmax in "
        "float32 (https://docs.pytorch.org/docs/stable/amp.html, CPU op-specific behavior)",
        "bfloat16",
        "products",
    ),
    "bfloat16-fused": Recipe(
        "OpenVINO's INFERENCE_PRECISION_HINT=bf16, as the compiled model says of itself: fully connected layers "
        "with their activation, and attention, take and give bfloat16; norms and residual sums stay float32, and "
        "outputs are written in it",
        "bfloat16",
        "products",
        rounded_before_activation=False,
        outputs=False,
    ),
    "int8-onnxruntime": Recipe(
        "quantize_dynamic: DynamicQuantizeLinear (uint8, per tensor) before each product with a constant; weights and "
        "lookup tables as the file holds them; the vocabulary product, whose table is turned first, in float32",
        activation=Grid(0, 255),
        vocabulary=False,
    ),
    "int8-openvino": Recipe(
        "dynamic quantisation of activations over groups of 32 (DYNAMIC_QUANTIZATION_GROUP_SIZE), int8 and symmetric, "
        "before each fully connected layer whose weights the file holds as integers",
        activation=Grid(-127, 127, symmetric=True, group=32),
        vocabulary=False,
    ),
    "int8-torch": Recipe(
        "quantize_dynamic with fbgemm's reduce_range: activations in 7 bits, weights in 8 symmetric ones, both per "
        "tensor (torch.ao.quantization.default_dynamic_qconfig); lookup tables in float32",
        activation=Grid(0, 127),
        weight=Grid(-128, 127.5, symmetric=True),
    ),
}
"""By name, which is what a job on `parity.backends.emulated` names in its setting `recipe`."""

_FOLLOWED: Mapping[tuple[str, str], str] = {
    ("torch:autocast", "bfloat16"): "bfloat16-products",
    ("torch", "bfloat16"): "bfloat16",
    ("torch", "float16"): "float16",
    ("torch", "int8"): "int8-torch",
    ("openvino", "bfloat16"): "bfloat16-fused",
    ("openvino", "int8"): "int8-openvino",
    ("onnxruntime", "int8"): "int8-onnxruntime",
}
"""By (runtime or its backend, precision that its run claims)."""


def recipe_name(runtime: str, precision: str) -> str | None:
    """The recipe that a runtime (`backend` or `backend:variant`) follows at a precision; None if there is none.

    A precision without a recipe has no verdict: it is measured only.
    """
    backend = runtime.partition(":")[0]
    return _FOLLOWED.get((runtime, precision)) or _FOLLOWED.get((backend, precision))


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ParityError: there is none.
    """
    if name not in RECIPES:
        raise ParityError("no such recipe", got=name or "nothing", expected=f"one of {', '.join(RECIPES)}")
    return RECIPES[name]
