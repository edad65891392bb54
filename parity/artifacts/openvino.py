"""Writes an OpenVINO IR from a Hugging Face folder: float32, batch and length free, reshapable.

`compress="fp16"` stores the weights in half precision, OpenVINO's own
default when saving, which costs 4e-4 on hidden states and is therefore never done unasked. `compress="int8"` stores
the kernels of dense layers as int8, symmetric, with a scale per output channel, multiplied back in the graph itself:
the form of weight compression that OpenVINO's CPU plugin runs without unpacking it first.
"""

from __future__ import annotations

from pathlib import Path

import openvino as ov

from parity.artifacts.graph_export import draw, read_source
from parity.artifacts.graph_texts import TEXTS
from parity.artifacts.openvino_nodes import OpenvinoBuilder
from parity.errors import ParityError

FILE = "openvino_model.xml"


def export(pytorch_dir: Path, out: Path, *, compress: str | None = None) -> None:
    """Write `openvino_model.xml` and `.bin` into the folder `out`.

    Args:
        pytorch_dir: a Hugging Face folder, its class named in config.json.
        out: an existing folder; the caller owns its name and what else lies there.
        compress: `fp16` stores weights in half precision, `int8` kernels as integers; how they are computed with is the
            runtime's affair.

    Raises:
        ParityError: the folder is no model that can be drawn, or the disk is full.
    """
    source = read_source(pytorch_dir)
    builder = OpenvinoBuilder(source.weights, integers=compress == "int8")
    draw(source, builder, TEXTS)
    try:
        ov.save_model(builder.model(source.target_class), str(out / FILE), compress_to_fp16=compress == "fp16")
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ParityError(f"OpenVINO cannot write the graph: {reason}", where=out, remedy="check free space") from error
