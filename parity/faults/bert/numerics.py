"""U: precision and modes; D: causes that the catalogue does not number."""

from __future__ import annotations

from parity.faults.bert.tensors import HERE, NARROW, WIDE, WORDS
from parity.faults.edits import one_element, rounded, rows_from
from parity.faults.values import Artifact, Fault, Graph, Layout, Runtime, Tensors


def _vocabulary_cut(tensors: Tensors, layout: Layout) -> None:
    words = tensors[WORDS].copy()
    words[len(words) // 2 :] = 0
    tensors[WORDS] = words


FAULTS = (
    Fault(
        id="U-01", variant="left on", place="embeddings",
        what="dropout is left on", inject=Runtime("dropout"),
    ),
    Fault(
        id="U-01", variant="in attention", place="layer.0",
        what="dropout of the attention's weights alone is left on", inject=Runtime("attention-dropout"),
    ),
    Fault(
        # Ten bits of mantissa are float16's, too: what is no smaller than its normal numbers is rounded alike.
        id="U-02", variant="TF32", place="layer.0",
        causes=("low-precision-arithmetic: TF32", "low-precision-arithmetic: rounded to float16"),
        what="products of inputs with ten bits of mantissa, claiming float32", inject=Runtime("tf32"),
    ),
    Fault(
        id="U-03", variant="bfloat16 products", place="layer.0",
        causes=("low-precision-arithmetic: rounded to bfloat16",),
        what="products of bfloat16 inputs, as accelerators default to, claiming float32",
        inject=Runtime("bf16-products"),
    ),
    Fault(
        id="U-04", variant="bfloat16", place="embeddings", causes=("low-precision-arithmetic: bfloat16",),
        what="every module's result through bfloat16, claiming float32", inject=Runtime("bf16"),
    ),
    Fault(
        id="U-04", variant="float16", place="embeddings", causes=("low-precision-arithmetic: float16",),
        what="every module's result through float16, claiming float32", inject=Runtime("fp16"),
    ),
    Fault(
        id="U-04", variant="autocast", place="layer.0", causes=("low-precision-arithmetic: bfloat16",),
        what="autocast to bfloat16, claiming float32", inject=Runtime("autocast"),
    ),
    Fault(
        id="U-06", variant="float16 weights", place="embeddings", causes=("low-precision-weights",),
        what="all weights went through float16", inject=Artifact(rounded("", "float16")),
    ),
    Fault(
        id="U-06", variant="bfloat16 weights", place="embeddings", causes=("low-precision-weights",),
        what="all weights went through bfloat16", inject=Artifact(rounded("", "bfloat16")),
    ),
    Fault(
        id="D-03", variant="one weight", place=HERE, causes=("single-weight: intermediate",),
        what="one weight of a kernel is off by an eighth", inject=Artifact(one_element(f"{WIDE}.weight", 1.125)),
    ),
    Fault(
        id="D-03", variant="one weight, narrow", place=HERE, causes=("single-weight: output/dense",),
        what="one weight of the second kernel is off by an eighth",
        inject=Artifact(one_element(f"{NARROW}.weight", 1.125)),
    ),
    Fault(
        id="U-09", variant="dynamic int8", place="layer.0",
        what="dense layers quantised to int8 while they run, claiming float32", inject=Runtime("int8"),
    ),
    Fault(
        id="D-01", variant="scores unscaled", place=HERE, causes=("scale",),
        what="the scores of one layer are not divided by the root of the head's size",
        inject=Runtime("scores-unscaled"),
    ),
    Fault(
        id="D-02", variant="vocabulary cut", place="embeddings",
        causes=("truncated-vocabulary", "zero: word_embeddings"),
        what="the second half of the vocabulary is zero", inject=Artifact(_vocabulary_cut),
    ),
    Fault(
        id="D-02", variant="rows shifted", place="embeddings", causes=("rows-shifted",),
        what="from row 345 on, every word has its predecessor's row", inject=Artifact(rows_from(WORDS, 345, by=1)),
    ),
    Fault(
        id="U-06", variant="IR stored in float16", place="embeddings", causes=("low-precision-weights",),
        what="OpenVINO's default when saving: float16 constants", inject=Graph("openvino:f32", "openvino_fp16"),
    ),
    Fault(
        id="U-06", variant="ONNX stored in float16", place="embeddings", causes=("low-precision-weights",),
        what="every initializer went through float16", inject=Graph("onnxruntime", "onnx_fp16"),
    ),
)  # fmt: skip
