"""C and M: what the config says and what is computed, and positions."""

from __future__ import annotations

from parity.faults.edits import turned
from parity.faults.gpt2.tensors import POSITIONS
from parity.faults.values import Artifact, Fault, always


def _config(**settings: object) -> Artifact:
    return Artifact(config={key: always(value) for key, value in settings.items()}, scales=False)


FAULTS = (
    Fault(
        id="C-01", variant="erf", place="layer.0", causes=("activation: GELU",),
        what="GELU with erf for the tanh formula", inject=_config(activation_function="gelu"),
    ),
    Fault(
        id="C-01", variant="relu", place="layer.0", causes=("activation: ReLU",),
        what="ReLU for GELU", inject=_config(activation_function="relu"),
    ),
    Fault(
        id="C-06", variant="1e-12", place="layer.0", causes=("epsilon",),
        what="LayerNorm epsilon 1e-12, as BERT's", inject=Artifact(config={"layer_norm_epsilon": always(1e-12)}),
    ),
    Fault(
        id="C-06", variant="1e-6", place="layer.0", causes=("epsilon",),
        what="LayerNorm epsilon 1e-6", inject=Artifact(config={"layer_norm_epsilon": always(1e-6)}),
    ),
    Fault(
        id="C-07", variant="scores not scaled", place="layer.0", causes=("scale",),
        what="scores are not divided by the root of a head's size", inject=_config(scale_attn_weights=False),
    ),
    Fault(
        id="C-07", variant="scores scaled by layer", place="layer.1", causes=("scale",), least_layers=2,
        what="scores are divided by the layer's number, too", inject=_config(scale_attn_by_inverse_layer_idx=True),
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
