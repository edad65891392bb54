"""U: precision and modes; D: causes that the catalogue does not number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parity.faults.edits import one_element, rounded
from parity.faults.values import Artifact, Fault, Graph, Runtime

HERE = "layer.{middle}"


def numerics(
    *, products: str, weights: str = "embeddings", results: str = "embeddings", bf16: Sequence[str] = ()
) -> tuple[Fault, ...]:
    """Rows that differ in nothing but where they are seen first.

    Args:
        products: the first station with a product.
        weights: the first station with a weight.
        results: the first station that a rounded module hands on.
        bf16: other causes that products of bfloat16 may rightly be told as.
    """
    return (
        Fault(
            # Ten bits of mantissa are float16's, too: what is no smaller than its normal numbers is rounded alike.
            id="U-02", variant="TF32", place=products,
            causes=("low-precision-arithmetic: TF32", "low-precision-arithmetic: rounded to float16"),
            what="products of inputs with ten bits of mantissa, claiming float32", inject=Runtime("tf32"),
        ),
        Fault(
            id="U-03", variant="bfloat16 products", place=products,
            causes=("low-precision-arithmetic: rounded to bfloat16", *bf16),
            what="products of bfloat16 inputs, as accelerators default to, claiming float32",
            inject=Runtime("bf16-products"),
        ),
        Fault(
            id="U-04", variant="autocast", place=products, causes=("low-precision-arithmetic: bfloat16",),
            what="autocast to bfloat16, claiming float32", inject=Runtime("autocast"),
        ),
        Fault(
            id="U-04", variant="bfloat16", place=results,
            # What is looked up and then rounded is what was rounded and then looked up.
            causes=("low-precision-arithmetic: bfloat16", "low-precision-weights"),
            what="every module's result through bfloat16, claiming float32", inject=Runtime("bf16"),
        ),
        *(
            Fault(
                id="U-06", variant=f"{dtype} weights", place=weights, causes=("low-precision-weights",),
                what=f"all weights went through {dtype}", inject=Artifact(rounded("", dtype)),
            )
            for dtype in ("float16", "bfloat16")
        ),
        Fault(
            id="R-11", variant="half", verdict="completeness", place="embeddings",
            what="the model silently became float16, and claims float32",
            inject=Runtime(settings={"dtype": "float16"}),
        ),
    )  # fmt: skip


def kernel(name: str, subject: str) -> tuple[Fault, ...]:
    """What may happen to one kernel of the middle layer.

    Args:
        name: the target's tensor.
        subject: what a right cause calls it: part of the source's variable.
    """
    return (
        Fault(
            id="R-11", variant="one tensor through half", place=HERE, causes=(f"low-precision-weights: {subject}",),
            what="one kernel went through float16", inject=Artifact(rounded(f"{name}$", "float16")),
        ),
        Fault(
            id="D-03", variant="one weight", place=HERE, causes=(f"single-weight: {subject}",),
            what="one weight of a kernel is off by an eighth", inject=Artifact(one_element(name, 1.125)),
        ),
    )  # fmt: skip


def exported(*, weights: str = "embeddings") -> tuple[Fault, ...]:
    """X, and what is stored in an exported graph."""
    return (
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
            id="U-06", variant="IR stored in float16", place=weights, causes=("low-precision-weights",),
            what="OpenVINO's default when saving: float16 constants", inject=Graph("openvino:f32", "openvino_fp16"),
        ),
        Fault(
            id="U-06", variant="ONNX stored in float16", place=weights, causes=("low-precision-weights",),
            what="every initializer went through float16", inject=Graph("onnxruntime", "onnx_fp16"),
        ),
    )  # fmt: skip


_STALE = "pytorch_model.bin"


def _stale(folder: Path) -> None:
    (folder / _STALE).write_bytes((folder / "model.safetensors").read_bytes()[:1024])


STALE = Fault(
    id="P-09", variant="stale weights", verdict="weight proof", place=_STALE,
    what="an older weight file lies beside the new one", inject=Artifact(files=_stale, scales=False),
)  # fmt: skip
