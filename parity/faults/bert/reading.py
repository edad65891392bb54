"""R: reading the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from parity.faults.bert.tensors import HERE, POSITIONS, QUERY, WIDE, WORDS
from parity.faults.edits import added, drawn, rounded, scrambled, spoilt_row
from parity.faults.shared.bundle import big_endian, damaged
from parity.faults.values import Artifact, Fault, Layout, Runtime, Source, Tensors
from parity.tensorfile import Array

_PREFIX = "bert_model.ckpt"


def _scalar(value: int) -> Callable[[Tensors], Array]:
    return lambda tensors: np.array(value, np.int64)


def _like_positions(tensors: Tensors) -> Array:
    return np.zeros_like(tensors["bert/embeddings/position_embeddings"])


def _first_query(tensors: Tensors) -> Array:
    return tensors["bert/encoder/layer_0/attention/self/query/kernel"]


def _spare_rows(folder: Path) -> None:
    vocab = folder / "vocab.txt"
    lines = vocab.read_text(encoding="utf-8").splitlines(keepends=True)
    vocab.write_text("".join(lines[:-6]), encoding="utf-8")


def _whole_numbers(tensors: Tensors, layout: Layout) -> None:
    name = "bert/encoder/layer_0/attention/self/query/kernel"
    tensors[name] = np.rint(tensors[name] * 127).astype(np.int8)


FAULTS = (
    Fault(
        id="R-01", variant="slot inside the name", verdict="refused", place="adam_m",
        what="an Adam slot is not the last part of its variable's name",
        inject=Source(added("bert/encoder/layer_0/attention/self/query/adam_m/kernel", _first_query)),
    ),
    Fault(
        id="R-01", variant="slot loaded", place=HERE,
        what="the query kernel holds its Adam moment",
        inject=Artifact(drawn(f"{QUERY}.weight", 1e-4)),
    ),
    Fault(
        id="R-02", variant="slot glued to the name", verdict="refused", place="AdamWeightDecayOptimizer",
        what="DeepPavlov's slot name is joined to the variable's without a slash",
        inject=Source(added("bert/embeddings/position_embeddings_AdamWeightDecayOptimizer", _like_positions)),
    ),
    Fault(
        id="R-02", variant="slot loaded", place="embeddings",
        what="the positions hold AdamWeightDecayOptimizer's moment",
        inject=Artifact(drawn(POSITIONS, 1e-4)),
    ),
    Fault(
        id="R-03", variant="unknown scalar", verdict="refused", place="examples_seen",
        what="a training counter that is no variable of the model",
        inject=Source(added("examples_seen", _scalar(7))),
    ),
    Fault(
        id="R-04", variant="Adafactor slot", verdict="refused", place="kernel_slot_vc",
        what="an Adafactor slot as Mesh TensorFlow names it",
        inject=Source(added("bert/encoder/layer_0/output/dense/kernel_slot_vc", lambda t: np.ones(4, np.float32))),
    ),
    *damaged(_PREFIX),
    Fault(
        id="R-11", variant="half", verdict="completeness", place="embeddings",
        what="the model silently became float16, and claims float32", inject=Runtime(settings={"dtype": "float16"}),
    ),
    Fault(
        id="R-11", variant="one tensor through half", place=HERE, causes=("low-precision-weights: intermediate",),
        what="one kernel went through float16", inject=Artifact(rounded(f"{WIDE}.weight", "float16")),
    ),
    Fault(
        id="R-11", variant="one tensor through bfloat16", place=HERE, causes=("low-precision-weights: intermediate",),
        what="one kernel went through bfloat16", inject=Artifact(rounded(f"{WIDE}.weight", "bfloat16")),
    ),
    Fault(
        id="R-11", variant="integers", verdict="refused", place="no floating point",
        what="a kernel is stored as int8", inject=Source(_whole_numbers),
    ),
    Fault(
        id="R-12", variant="view saved", place=HERE,
        what="a transposed view was saved as if contiguous: right shape, other bytes",
        inject=Artifact(scrambled(f"{WIDE}.weight")),
    ),
    big_endian(_PREFIX),
    Fault(
        id="R-14", variant="fewer lines than rows", verdict="refused", place="vocab",
        what="the table is padded beyond the vocabulary, and nothing says so", inject=Source(files=_spare_rows),
    ),
    Fault(
        id="R-14", variant="row that no input touches", place="logits.mlm",
        what="a vocabulary row that no input touches is zero: the tied product shows it",
        inject=Artifact(spoilt_row(WORDS, lambda layout: layout.unused_row)),
    ),
)  # fmt: skip
