"""C: what the config says, and what is computed."""

from __future__ import annotations

import numpy as np

from parity.families.values import Config
from parity.faults.gpt.names import HERE
from parity.faults.values import Fault, Inputs, Runtime
from parity.tensorfile import Array


def _too_long(arrays: dict[str, Array], config: Config) -> None:
    for name in ("input_ids", "attention_mask"):
        arrays[name] = np.full((1, config.positions + 1), 1, np.int32)


def beyond_vocabulary(arrays: dict[str, Array], config: Config) -> None:
    """An id that no table has."""
    arrays["input_ids"] = arrays["input_ids"].copy()
    arrays["input_ids"][0, 0] = config.vocab_size


_EPSILON, _GELU = ("epsilon",), ("activation: GELU with erf",)


FAULTS = (
    Fault(
        id="C-04", variant="runtime's default", place="layer.0", causes=_GELU,
        what="the runtime computes its own default GELU, whatever the config says", inject=Runtime("other-gelu"),
    ),
    Fault(
        id="C-01", variant="one block", place=HERE, causes=_GELU,
        what="the other GELU in one block only", inject=Runtime("other-gelu-one"),
    ),
    Fault(
        id="C-01", variant="quick", place="layer.0", causes=("activation: 1.702",),
        what="x sigmoid(1.702 x) for GELU", inject=Runtime("quick-gelu"),
    ),
    Fault(
        id="C-06", variant="one norm", place=HERE, causes=_EPSILON,
        what="a kernel with epsilon 1e-12 of its own, in one norm", inject=Runtime("eps-one-1e-12"),
    ),
    Fault(
        id="C-10", variant="too long", verdict="refused", place="positions",
        what="a row of one token more than there are positions", inject=Inputs(_too_long),
    ),
    Fault(
        id="C-10", variant="id beyond the table", verdict="refused", place="input_ids",
        what="an id that has no row", inject=Inputs(beyond_vocabulary),
    ),
)  # fmt: skip
