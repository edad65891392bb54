"""M: causal attention and positions."""

from __future__ import annotations

import numpy as np

from parity.families.values import Config
from parity.faults.shared.masks import CONTROLS, EARLY, LATE
from parity.faults.values import Fault, Inputs, Runtime
from parity.tensorfile import Array

_LEFT = "the original has no attention mask"


def _left_padded(arrays: dict[str, Array], config: Config) -> None:
    arrays["attention_mask"] = np.ones_like(arrays["input_ids"])
    arrays["attention_mask"][:, 0] = 0


FAULTS = (
    Fault(
        id="M-06", variant="fill -10", place="layer.0",
        what="what a token must not see is filled with -10: what follows leaks in", inject=Runtime("hidden-10"),
    ),
    *CONTROLS,
    Fault(
        id="M-09", variant="left-padded", verdict="refused", place=_LEFT,
        what="rows padded on their left, which the original cannot mean", inject=Inputs(_left_padded),
    ),
    LATE,
    EARLY,
)  # fmt: skip
