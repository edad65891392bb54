"""What is likely to be wrong with a converted Transformer-XL beyond its weights: ids C and M of the fault catalogue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.families.suspects import EPSILON, ConfigSuspect, FusedSuspect, InputSuspect, Suspects, TensorSuspect
from parity.families.transfo_xl.heads import SOFTMAX
from parity.tensorfile import Array


def _forgotten(fed: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: np.zeros_like(array) for name, array in fed.items() if name.startswith("mems.")}


SUSPECTS = Suspects(
    inputs=(InputSuspect("memory-ignored", "the memory is ignored (zeros in its place)", _forgotten),),
    configs=(
        ConfigSuspect("same-length", "every position sees all that lies before it", {"same_length": False}),
        ConfigSuspect("same-length", "every position sees the same length", {"same_length": True}),
        ConfigSuspect("clamp-len", "distances are not clamped", {"clamp_len": -1}),
    ),
    fitted=(EPSILON,),
    fused=(FusedSuspect("rel_attn/qkv", ("query", "key", "value")),),
    tensors=(
        TensorSuspect(
            "cluster-order",
            "the clusters behind the first are entered in reverse order",
            (f"{SOFTMAX}cutoff_0/cluster_W", f"{SOFTMAX}cutoff_0/cluster_b"),
            lambda w: w[::-1],
        ),
    ),
    stacked=("transformer/r_w_bias", "transformer/r_r_bias"),
)
