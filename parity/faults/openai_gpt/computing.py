"""C and M: what the config says and what is computed, and positions."""

from __future__ import annotations

from parity.faults.edits import turned
from parity.faults.openai_gpt.tensors import POSITIONS
from parity.faults.values import Artifact, Fault, always


def _config(**settings: object) -> Artifact:
    return Artifact(config={key: always(value) for key, value in settings.items()}, scales=False)


FAULTS = (
    Fault(
        id="C-01", variant="relu", place="layer.0", causes=("activation: ReLU",),
        what="ReLU for GELU", inject=_config(afn="relu"),
    ),
    Fault(
        id="C-01", variant="swish", place="layer.0", causes=("activation: sigmoid",),
        what="x sigmoid(x) for GELU", inject=_config(afn="swish"),
    ),
    *(
        Fault(
            id="C-06", variant=said, place="layer.0", causes=("epsilon",),
            what=f"LayerNorm epsilon {said}", inject=Artifact(config={"layer_norm_epsilon": always(float(said))}),
        )
        for said in ("1e-12", "1e-6")
    ),
    Fault(
        id="C-07", variant="heads", place="layer.0",
        what="half as many heads, each twice as wide", inject=Artifact(
            config={"n_head": lambda layout: layout.config.heads // 2}, scales=False
        ),
    ),
    *(
        Fault(
            id="M-12", variant=f"+{shift}", place="embeddings", causes=("positions-shifted",),
            what=f"the position table is read from row {shift} on",
            inject=Artifact(turned(POSITIONS, shift), scales=False),
        )
        for shift in (1, 2)
    ),
)  # fmt: skip
