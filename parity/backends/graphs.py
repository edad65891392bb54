"""What the runtimes of exported graphs share: which taps a graph can show, what it is fed, what its outputs mean.

Exported graphs name every inner value that is a tap by the tap. Asked for taps, a backend runs a *twin*: the shipped
graph in memory, with those values as outputs and with `mlm.transform` gathered at `logit_positions` before the
vocabulary product. With the setting `shipped=1`, or where the asked taps are outputs anyway, the file runs untouched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.backends.job import Job
from parity.errors import ParityError
from parity.tensorfile import Array

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
POSITIONS = "logit_positions"
VOCABULARY, VOCABULARY_ENTRY = "logits.mlm", "mlm.transform"
_SPANS, _SPAN_OUTPUTS = "logits.qa", ("start_logits", "end_logits")


@dataclass(frozen=True)
class Plan:
    """How one job's taps are had from one graph."""

    untouched: bool
    """Run the file as it ships, and take the taps from its own outputs."""
    taps: tuple[str, ...]
    unavailable: Mapping[str, str]


def check_inputs(given: Collection[str], *, where: str) -> None:
    """Check a graph's input names.

    Raises:
        ParityError: one is missing (a model that never sees the segments), or one is not known.
    """
    if set(given) != set(INPUTS):
        raise ParityError(
            "the graph has other inputs",
            where=where,
            got=", ".join(sorted(given)),
            expected=", ".join(INPUTS),
            remedy="convert the checkpoint again",
        )


def plan(job: Job, *, inner: Collection[str], aliases: Mapping[str, str], outputs: Collection[str]) -> Plan:
    """Decide between the shipped file and its twin.

    Args:
        job: its taps and settings.
        inner: names of the graph's inner values.
        aliases: tap to the shipped output that is the same value.
        outputs: names of the shipped outputs.

    Raises:
        ParityError: an unknown setting.
    """
    unknown = sorted(set(job.settings) - {"shipped"})
    if unknown or job.settings.get("shipped", "0") not in ("0", "1"):
        raise ParityError(
            f"{job.name} does not know this setting", got=dict(job.settings), expected="shipped=0 or shipped=1"
        )
    shipped = {*aliases, *((_SPANS,) if set(_SPAN_OUTPUTS) <= set(outputs) else ())}
    untouched = job.settings.get("shipped") == "1" or set(job.taps) <= shipped - {VOCABULARY}
    held = shipped if untouched else set(inner) - ({VOCABULARY} if VOCABULARY_ENTRY not in inner else set())
    reason = "the shipped graph has no output for it" if untouched else "this graph holds no value of that name"
    taps = tuple(tap for tap in job.taps if tap in held)
    return Plan(untouched or not taps, taps, {tap: reason for tap in job.taps if tap not in held})


def feeds(inputs: Mapping[str, Array], *, positions: bool) -> dict[str, Array]:
    """A batch as a graph takes it: int64, every position real and of segment 0 unless the batch says otherwise.

    Args:
        inputs: the batch.
        positions: feed `logit_positions` too.

    Raises:
        ParityError: the batch lacks `input_ids`, or the positions.
    """
    needed = ("input_ids", *((POSITIONS,) if positions else ()))
    absent = [name for name in needed if name not in inputs]
    if absent:
        raise ParityError(f"the batch has no {', '.join(absent)}", remedy="write it with `parity.inputs`")
    ids = inputs["input_ids"]
    defaults = {"attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    chosen = (*INPUTS, *((POSITIONS,) if positions else ()))
    return {name: np.ascontiguousarray(inputs.get(name, defaults.get(name)), np.int64) for name in chosen}


def from_outputs(
    taps: Sequence[str], outputs: Mapping[str, Array], aliases: Mapping[str, str], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Taps from the outputs of the shipped graph: vocabulary logits gathered, start and end logits side by side."""
    answer: dict[str, Array] = {}
    for tap in taps:
        if tap == _SPANS:
            answer[tap] = np.stack([outputs[name] for name in _SPAN_OUTPUTS], axis=-1)
        elif tap == VOCABULARY:
            chosen = feeds(inputs, positions=True)[POSITIONS]
            answer[tap] = np.take_along_axis(outputs[aliases[tap]], chosen[..., None], axis=1)
        else:
            answer[tap] = outputs[aliases[tap]]
    return answer
