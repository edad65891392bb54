"""R and N: what is read, and which tensor goes where."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parity.faults.edits import (
    added,
    both,
    drawn,
    every,
    filled,
    noisy,
    overwritten,
    removed,
    renamed,
    reordered,
    scaled,
    scrambled,
    swapped,
)  # fmt: skip
from parity.faults.fused import on_rows, part, parts_swapped
from parity.faults.transfo_xl.tensors import (
    ATTENTION_NORM,
    ATTENTION_OUT,
    DISTANCES,
    FUSED,
    HERE,
    LOG_PROBS,
    NARROW,
    NORM,
    WIDE,
)  # fmt: skip
from parity.faults.values import Artifact, Fault, Source, Tensors, always


def _ones(tensors: Tensors) -> np.ndarray:
    return np.ones(4, np.float32)


def _empty(folder: Path) -> None:
    (folder / "model_flags.json").write_text("{}")


FAULTS = (
    Fault(
        id="R-01", variant="slot inside the name", verdict="refused", place="adam_m",
        what="an Adam slot is not the last part of its variable's name",
        inject=Source(added("transformer/layer_0/rel_attn/qkv/adam_m/kernel", _ones)),
    ),
    Fault(
        id="R-03", variant="unknown scalar", verdict="refused", place="examples_seen",
        what="a training counter that is no variable of the model",
        inject=Source(added("examples_seen", lambda tensors: np.array(7, np.int64))),
    ),
    Fault(
        id="R-12", variant="view saved", place=HERE,
        what="a transposed view was saved as if contiguous: right shape, other bytes",
        inject=Artifact(scrambled(FUSED)),
    ),
    Fault(
        id="N-01", variant="unknown scope", verdict="refused", place="transformer/adapter/kernel",
        what="a fine-tuned module that no table knows", inject=Source(added("transformer/adapter/kernel", _ones)),
    ),
    Fault(
        id="N-02", variant="key and value", place=HERE, causes=("swapped: key and value",),
        what="key and value change places within the fused kernel",
        inject=Artifact(on_rows(parts_swapped(FUSED, 1, 2), FUSED)),
    ),
    Fault(
        id="N-02", variant="distances and output", place=HERE, causes=("swapped: rel_attn/r/kernel",),
        what="the kernel of distances and the output kernel are swapped",
        inject=Artifact(swapped(DISTANCES, ATTENTION_OUT)),
    ),
    Fault(
        id="N-02", variant="norms", place=HERE, causes=("swapped: LayerNorm",),
        what="the two norms of a layer are swapped",
        inject=Artifact(both(
            swapped(f"{ATTENTION_NORM}.weight", f"{NORM}.weight"), swapped(f"{ATTENTION_NORM}.bias", f"{NORM}.bias")
        )),
    ),
    Fault(
        id="N-02", variant="one tensor of the layer before", place=HERE,
        causes=("other-layer-tensor: rel_attn/qkv/kernel",), least_layers=2,
        what="a layer has the fused kernel of the one before",
        inject=Artifact(overwritten(FUSED, FUSED.replace("{middle}", "{before}"))),
    ),
    Fault(
        id="N-06", variant="norm", place=HERE, causes=("norm-not-loaded: ff/LayerNorm",),
        what="gamma and beta of one norm were not loaded",
        inject=Artifact(both(filled(f"{NORM}.weight", 1.0), filled(f"{NORM}.bias", 0.0))),
    ),
    Fault(
        id="N-07", variant="other prefix", verdict="refused", place="are not those of",
        what="every name has a prefix too many: nothing would be loaded",
        inject=Artifact(renamed(r"^transformer\.", "model.transformer."), scales=False),
    ),
    Fault(
        id="N-07", variant="uninitialised", verdict="completeness", place="layer.0",
        what="weights that were never loaded are not even numbers",
        inject=Artifact(every(filled(FUSED, np.nan)), scales=False),
    ),
    Fault(
        id="N-10", variant="no clusters", verdict="refused", place="cluster_W",
        what="the softmax lacks what enters its clusters",
        inject=Source(both(*(removed(f"transformer/adaptive_softmax/cutoff_0/cluster_{end}") for end in "Wb"))),
    ),
    Fault(
        id="N-11", variant="other cutoffs", verdict="refused", place="cutoffs",
        what="the flags have one cluster fewer than the tensors",
        inject=Source(config={"cutoffs": lambda layout: list(layout.config.raw["cutoffs"][:-1]),
                              "tie_projs": lambda layout: list(layout.config.raw["tie_projs"][:-1])}),
    ),
    Fault(
        id="N-11", variant="projections tied otherwise", verdict="refused", place="proj",
        what="the flags tie a projection that the checkpoint has one of its own for",
        inject=Source(config={"tie_projs": lambda layout: [True] * len(layout.config.raw["tie_projs"]),
                              "proj_share_all_but_first": always(False)}),
    ),
    Fault(
        id="N-12", variant="layers by letters", place="layer.2", causes=("layer-order: 10",), least_layers=11,
        what="layers in the order 0, 1, 10, 11, 2, ...", inject=Artifact(reordered("transformer.layers.")),
    ),
    Fault(
        id="N-13", variant="one tensor lost", place=HERE,
        what="a tensor was missing, which non-strict loading passes over, and is left at its initial values",
        inject=Artifact(drawn(f"{NARROW}.weight")),
    ),
    Fault(
        id="N-13", variant="lost in the file", verdict="refused", place="qkv_net.weight",
        what="a tensor is missing in the file", inject=Artifact(removed(FUSED), scales=False),
    ),
    Fault(
        id="N-14", variant="zero value", place=HERE, causes=("zero: value",),
        what="the value part of the fused kernel is filled with zeros",
        inject=Artifact(on_rows(part(FUSED, 2, np.zeros_like), FUSED)),
    ),
    Fault(
        id="N-15", variant="inner bias", place=HERE, causes=("bias-dropped: ff/layer_1",),
        what="the bias of the inner layer is zero", inject=Artifact(filled(f"{WIDE}.bias", 0.0)),
    ),
    Fault(
        id="N-15", variant="cluster's bias", place=LOG_PROBS, causes=("bias-dropped: cutoff_1/b",),
        what="the bias of one cluster's words is zero", inject=Artifact(filled("crit.out_layers.1.bias", 0.0)),
    ),
    Fault(
        id="N-16", variant="output bias", place=HERE, causes=("bias-doubled: ff/layer_2",),
        what="a bias is added twice", inject=Artifact(scaled(f"{NARROW}.bias", 2.0)),
    ),
    Fault(
        id="C-08", variant="another step", place="embeddings",
        what="weights of another training step: every tensor off by 1e-4 of itself", inject=Artifact(noisy("", 1e-4)),
    ),
    Fault(
        id="C-07", variant="no flags", verdict="refused", place="mem_len",
        what="no flags at all, in place of which defaults would be taken", inject=Source(files=_empty),
    ),
    Fault(
        id="N-21", variant="config of another size", verdict="refused", place="d_model",
        what="the flags of another size lie beside the checkpoint",
        inject=Source(config={"d_model": always(1024), "d_embed": always(1024)}),
    ),
)  # fmt: skip
