"""C and M: what the config says and what is computed, masks and segments."""

from __future__ import annotations

from parity.faults.values import Artifact, Fault, Runtime, always


def _config(**settings: object) -> Artifact:
    return Artifact(config={key: always(value) for key, value in settings.items()}, scales=False)


FAULTS = (
    Fault(
        id="C-03", variant="erf", place="layer.0", causes=("activation: GELU",),
        what="transformers' erf where the original has the tanh formula", inject=_config(ff_activation="gelu"),
    ),
    Fault(
        id="C-03", variant="relu", place="layer.0", causes=("activation: ReLU",),
        what="ReLU for GELU", inject=_config(ff_activation="relu"),
    ),
    Fault(
        id="C-06", variant="1e-5", place="layer.0", causes=("epsilon",),
        what="LayerNorm epsilon 1e-5", inject=Artifact(config={"layer_norm_eps": always(1e-5)}),
    ),
    Fault(
        id="C-09", variant="clamped", place="layer.0",
        what="distances beyond 3 count as 3", inject=_config(clamp_len=3),
    ),
    Fault(
        id="M-01", variant="ignored", place="layer.0", causes=("mask-ignored",),
        what="the mask is not passed on", inject=Runtime("mask-ignored"),
    ),
    Fault(
        id="M-02", variant="inverted", place="layer.0", causes=("mask-inverted",),
        what="1 means padding, as in the original's input_mask", inject=Runtime("mask-inverted"),
    ),
    Fault(
        id="M-04", variant="zeroed", place="layer.0", causes=("token-types-ignored",),
        what="segments never reach the model", inject=Runtime("types-zero"),
    ),
    Fault(
        id="M-11", variant="forgotten", verdict="completeness", place="mems.0",
        what="half of the memory is forgotten", inject=_config(mem_len=8),
    ),
)  # fmt: skip
