"""C, M: epsilon, distances, how far is seen, and the memory between segments."""

from __future__ import annotations

import numpy as np

from parity.families.values import Config
from parity.faults.shared.masks import CONTROLS
from parity.faults.transfo_xl.tensors import HERE
from parity.faults.values import Artifact, Fault, Inputs, Runtime, always
from parity.tensorfile import Array


def _beyond_vocabulary(arrays: dict[str, Array], config: Config) -> None:
    arrays["input_ids"] = arrays["input_ids"].copy()
    arrays["input_ids"][0, 0] = config.vocab_size


def _left_padded(arrays: dict[str, Array], config: Config) -> None:
    arrays["attention_mask"] = np.ones_like(arrays["input_ids"])
    arrays["attention_mask"][:, 0] = 0


def _config(**settings: object) -> Artifact:
    return Artifact(config={key: always(value) for key, value in settings.items()}, scales=False)


FAULTS = (
    Fault(
        id="C-05", variant="1e-5", place="layer.0", causes=("epsilon",),
        what="LayerNorm epsilon 1e-5, as PyTorch and transformers assumed, not 1e-12",
        inject=Artifact(config={"layer_norm_epsilon": always(1e-5)}),
    ),
    Fault(
        id="C-06", variant="one norm", place=HERE, causes=("epsilon",),
        what="a kernel with epsilon 1e-5 of its own, in one norm", inject=Runtime("eps-one"),
    ),
    Fault(
        id="C-01", variant="GELU", place="layer.0",
        what="GELU for ReLU", inject=Runtime("other-gelu"),
    ),
    Fault(
        id="C-09", variant="same_length off", place="layer.0", causes=("same-length",),
        what="every position sees all that lies before it", inject=_config(same_length=False),
    ),
    Fault(
        id="C-09", variant="one token more", place="layer.0",
        what="same_length as transformers had it: every position sees one token more", inject=Runtime("one-more-seen"),
    ),
    Fault(
        id="C-09", variant="not clamped", verdict="weight proof", place="config.json",
        what="distances beyond clamp_len count as themselves: same_length lets no position of a stand-in see that far",
        inject=_config(clamp_len=-1),
    ),
    Fault(
        id="C-09", variant="clamped at 3", place="layer.0",
        what="distances beyond 3 count as 3", inject=_config(clamp_len=3),
    ),
    Fault(
        id="C-09", variant="shorter memory", verdict="completeness", place="mems.0",
        what="half of what a segment hands on is forgotten", inject=_config(mem_len=8),
    ),
    Fault(
        id="C-10", variant="id beyond the table", verdict="refused", place="input_ids",
        what="an id that has no row", inject=Inputs(_beyond_vocabulary),
    ),
    Fault(
        id="M-06", variant="fill -10", place="layer.0",
        what="what a token must not see is filled with -10: what follows leaks in", inject=Runtime("hidden-10"),
    ),
    *CONTROLS,
    Fault(
        id="M-09", variant="left-padded", verdict="refused", place="the original has no attention mask",
        what="rows padded on their left, which the original cannot mean", inject=Inputs(_left_padded),
    ),
    Fault(
        id="M-11", variant="memory zeroed", place="layer.0", causes=("memory-ignored",),
        what="every segment begins with zeros", inject=Runtime("states-zero"),
    ),
    Fault(
        id="M-11", variant="memory of another row", place="layer.0",
        what="the rows' memories are in another order", inject=Runtime("states-of-another-row"),
    ),
    Fault(
        id="M-11", variant="memory one late", place="layer.0",
        what="the memory is turned by one position", inject=Runtime("states-late"),
    ),
    Fault(
        id="D-01", variant="distances one late", place=HERE,
        what="the scores of distances are shifted by one too few", inject=Runtime("distances-late"),
    ),
)  # fmt: skip
