"""C: what the config says, and what is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parity.families.values import Config
from parity.faults.bert.tensors import HERE
from parity.faults.edits import noisy
from parity.faults.values import Artifact, Fault, Inputs, Layout, Runtime, Source, always
from parity.tensorfile import Array


def _too_long(arrays: dict[str, Array], config: Config) -> None:
    for name, value in (("input_ids", 1), ("attention_mask", 1), ("token_type_ids", 0)):
        arrays[name] = np.full((1, config.positions + 1), value, np.int32)


def _beyond_vocabulary(arrays: dict[str, Array], config: Config) -> None:
    arrays["input_ids"] = arrays["input_ids"].copy()
    arrays["input_ids"][0, 0] = config.vocab_size


def _beyond_types(arrays: dict[str, Array], config: Config) -> None:
    arrays["token_type_ids"] = np.full_like(arrays["token_type_ids"], config.token_types)


def _other_gelu(layout: Layout) -> str:
    return "gelu" if layout.config.activation == "gelu_tanh" else "gelu_new"


def _empty(folder: Path) -> None:
    (folder / "bert_config.json").write_text("{}")


def _epsilon(value: float) -> Artifact:
    return Artifact(config={"layer_norm_eps": always(value)})


def _activation(name: str) -> Artifact:
    return Artifact(config={"hidden_act": always(name)}, scales=False)


_GELU = ("activation: GELU",)
_EPSILON = ("epsilon",)

FAULTS = (
    Fault(
        id="C-01", variant="other GELU", place="layer.0", causes=_GELU,
        what="tanh GELU for erf (or the reverse)", inject=Artifact(config={"hidden_act": _other_gelu}, scales=False),
    ),
    Fault(
        id="C-01", variant="one layer", place=HERE, causes=_GELU,
        what="the other GELU in one layer only", inject=Runtime("other-gelu-one"),
    ),
    Fault(
        id="C-01", variant="relu", place="layer.0", causes=("activation: ReLU",),
        what="ReLU for GELU", inject=_activation("relu"),
    ),
    Fault(
        id="C-01", variant="quick", place="layer.0", causes=("activation: 1.702",),
        what="x sigmoid(1.702 x) for GELU", inject=Runtime("quick-gelu"),
    ),
    Fault(
        id="C-04", variant="runtime's default", place="layer.0", causes=_GELU,
        what="the runtime computes its own default GELU whatever the config says", inject=Runtime("other-gelu"),
    ),
    Fault(
        id="C-06", variant="1e-5", place="embeddings", causes=_EPSILON,
        what="LayerNorm epsilon 1e-5", inject=_epsilon(1e-5),
    ),
    Fault(
        id="C-06", variant="1e-6", place="embeddings", causes=_EPSILON,
        what="LayerNorm epsilon 1e-6", inject=_epsilon(1e-6),
    ),
    Fault(
        id="C-06", variant="1e-7", place="embeddings", causes=_EPSILON,
        what="LayerNorm epsilon 1e-7", inject=_epsilon(1e-7),
    ),
    Fault(
        id="C-06", variant="one norm", place=HERE, causes=_EPSILON,
        what="a kernel with epsilon 1e-5 of its own, in one norm", inject=Runtime("eps-one"),
    ),
    Fault(
        id="C-07", variant="empty config", verdict="refused", place="hidden_size",
        what="an empty config, in place of which defaults would be taken", inject=Source(files=_empty),
    ),
    Fault(
        id="C-07", variant="other heads", place="layer.0",
        what="config.json has half as many heads, which no shape contradicts",
        inject=Artifact(config={"num_attention_heads": lambda layout: layout.config.heads // 2}, scales=False),
    ),
    Fault(
        id="C-07", variant="fewer layers", verdict="refused", place="num_hidden_layers",
        what="the config says one layer fewer than there are",
        inject=Source(config={"num_hidden_layers": lambda layout: layout.config.layers - 1}),
    ),
    Fault(
        id="C-08", variant="another step", place="embeddings",
        what="weights of another training step: every tensor off by 1e-4 of itself", inject=Artifact(noisy("", 1e-4)),
    ),
    Fault(
        id="C-10", variant="too long", verdict="refused", place="positions",
        what="a row of one token more than there are positions", inject=Inputs(_too_long),
    ),
    Fault(
        id="C-10", variant="id beyond the table", verdict="refused", place="input_ids",
        what="an id that has no row", inject=Inputs(_beyond_vocabulary),
    ),
    Fault(
        id="C-10", variant="type beyond the table", verdict="refused", place="token_type_ids",
        what="a token type that has no row", inject=Inputs(_beyond_types),
    ),
)  # fmt: skip
