"""T: transposes, splits, order."""

from __future__ import annotations

from parity.faults.bert.tensors import ATTENTION_OUT, HERE, KEY, POOLER, QUERY, TRANSFORM, VALUE
from parity.faults.edits import both, every, split_by_head, transposed
from parity.faults.values import Artifact, Fault

_PARTS = {"query": QUERY, "key": KEY, "value": VALUE, "output": ATTENTION_OUT}
_SUBJECTS = {"query": "self/query", "key": "self/key", "value": "self/value", "output": "attention/output"}

FAULTS = (
    *(
        Fault(
            id="T-01", variant=part, place=HERE, causes=(f"untransposed: {_SUBJECTS[part]}",),
            what=f"the {part} kernel of one layer is not transposed",
            inject=Artifact(transposed(f"{name}.weight")),
        )
        for part, name in _PARTS.items()
    ),
    *(
        Fault(
            id="T-01", variant=f"{part}, all layers", place="layer.0", causes=(f"untransposed: {_SUBJECTS[part]}",),
            what=f"no {part} kernel is transposed",
            inject=Artifact(every(transposed(f"{name}.weight"))),
        )
        for part, name in _PARTS.items() if part in ("query", "output")
    ),
    Fault(
        id="T-01", variant="all square kernels", place="layer.0", causes=("untransposed: self/query",),
        what="no square kernel of the encoder is transposed",
        inject=Artifact(every(both(*(transposed(f"{name}.weight") for name in _PARTS.values())))),
    ),
    Fault(
        id="T-01", variant="pooler", place="pooler", causes=("untransposed: pooler",),
        what="the pooler's kernel is not transposed", inject=Artifact(transposed(f"{POOLER}.weight")),
    ),
    Fault(
        id="T-01", variant="vocabulary transform", place="logits.mlm", causes=("untransposed: transform",),
        what="the language model's transform is not transposed", inject=Artifact(transposed(f"{TRANSFORM}.weight")),
    ),
    Fault(
        id="T-03", variant="fused", place=HERE,
        what="query, key and value are fused, and split per head in place of per block",
        inject=Artifact(both(
            split_by_head(f"{QUERY}.weight", f"{KEY}.weight", f"{VALUE}.weight"),
            split_by_head(f"{QUERY}.bias", f"{KEY}.bias", f"{VALUE}.bias"),
        )),
    ),
)  # fmt: skip
