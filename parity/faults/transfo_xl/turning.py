"""T: transposes, biases of attention, clusters, the embedding's scale."""

from __future__ import annotations

import numpy as np

from parity.faults.edits import both, changed, every, overwritten, swapped, transposed
from parity.faults.fused import columns_by_head as by_head
from parity.faults.fused import on_rows
from parity.faults.transfo_xl.tensors import ATTENTION, ATTENTION_OUT, DISTANCES, FUSED, HERE, LOG_PROBS, PROJECTION
from parity.faults.values import Artifact, Fault, Runtime

_BIASES = ("r_w_bias", "r_r_bias")
_CLUSTERS = ("crit.cluster_weight", "crit.cluster_bias")

FAULTS = (
    *(
        Fault(
            id="T-01", variant=variant, place=HERE, causes=(f"untransposed: {subject}",),
            what=f"the {variant} kernel of one layer is not transposed", inject=Artifact(transposed(name)),
        )
        for variant, subject, name in (
            ("output", "rel_attn/o", ATTENTION_OUT),
            ("distances", "rel_attn/r", DISTANCES),
        )
    ),
    Fault(
        id="T-03", variant="per head", place=HERE, causes=("split-by-head",),
        what="the fused kernel is written per head in place of per block",
        inject=Artifact(on_rows(by_head(FUSED), FUSED)),
    ),
    *(
        Fault(
            id="T-05", variant=f"{name} of layer 0", place="layer.1", least_layers=2,
            causes=(f"other-layer-tensor: {name}",),
            what=f"every layer has layer 0's {name}: they are stacked in one list",
            inject=Artifact(every(overwritten(f"{ATTENTION}{name}", f"{ATTENTION}{name}".replace("{middle}", "0")))),
        )
        for name in _BIASES
    ),
    Fault(
        id="T-06", variant="swapped", place=HERE, causes=("swapped: r_w_bias",),
        what="the biases of content and of position are swapped",
        inject=Artifact(swapped(*(f"{ATTENTION}{name}" for name in _BIASES))),
    ),
    Fault(
        id="T-07", variant="projection", place="embeddings", causes=("untransposed: proj_W",),
        what="the first cluster's projection, the one that is square, is not transposed",
        inject=Artifact(transposed(PROJECTION)),
    ),
    Fault(
        id="T-08", variant="clusters reversed", place=LOG_PROBS, causes=("cluster-order",),
        what="the clusters behind the first are entered from the last one on",
        inject=Artifact(both(*(changed(name, np.flip if name.endswith("bias") else np.flipud) for name in _CLUSTERS))),
    ),
    Fault(
        id="T-09", variant="omitted", place="embeddings", causes=("scale",),
        what="embeddings are not multiplied by the root of their width (8 here)", inject=Runtime("embedding-unscaled"),
    ),
    Fault(
        id="T-09", variant="twice", place="embeddings", causes=("scale",),
        what="embeddings are multiplied by it twice", inject=Runtime("embedding-scaled-twice"),
    ),
)  # fmt: skip
