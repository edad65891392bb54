"""What is likely to be wrong with a converted GPT beyond its weights: ids C and M of the fault catalogue."""

from __future__ import annotations

from parity.families.suspects import (
    EPSILON,
    GELU_ERF,
    GELU_TANH,
    LINEAR,
    QUICK_GELU,
    RELU,
    TANH,
    ConfigSuspect,
    FusedSuspect,
    Suspects,
    positions_shifted,
)

_SWISH = ConfigSuspect("activation", "the activation is x * sigmoid(x)", {"activation": "swish"})

SUSPECTS = Suspects(
    # Its config can say swish, too: that one is tried as it is.
    configs=(GELU_ERF, GELU_TANH, QUICK_GELU, _SWISH, RELU, TANH, LINEAR),
    fitted=(EPSILON,),
    tables=(positions_shifted("positions"),),
    fused=(FusedSuspect("attn/c_attn", ("query", "key", "value")),),
    vocabulary="tokens",
)
