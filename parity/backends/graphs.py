"""What the runtimes of exported graphs share: which taps a graph can show, what it is fed, what its outputs mean.

Exported graphs name every inner value that is a tap by the tap (a new state, `past.k.key` or `mems.k`, excepted: its
name belongs to the old one, an input). Asked for taps, a backend runs a *twin*: the shipped graph in memory, with those
values as outputs and with what enters the vocabulary product gathered at `logit_positions`. With the setting
`shipped=1`, or where the asked taps are outputs anyway, the file runs untouched.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.backends.graph_feeds import INPUTS, POSITIONS, at_positions, check_inputs, feeds
from parity.backends.job import Job
from parity.errors import ParityError
from parity.tensorfile import Array

__all__ = (
    "INPUTS", "POSITIONS", "Plan", "check_inputs", "entry", "feeds", "from_outputs", "gathered", "plan", "twin_name"
)  # fmt: skip

ENTRIES = {"logits.mlm": "mlm.transform", "logits.lm": "lm.input", "log_probs": "lm.input"}
"""Taps as wide as the vocabulary, and the inner value that enters the product."""
_BEHIND = {"log_probs.": "lm.input"}
"""Beginnings of finer taps between the two."""
_NEW = {"past": "present", "mems": "new_mems"}
_SPANS, _SPAN_OUTPUTS = "logits.qa", ("start_logits", "end_logits")


@dataclass(frozen=True)
class Plan:
    """How one job's taps are had from one graph."""

    untouched: bool
    """Run the file as it ships, and take the taps from its own outputs."""
    taps: tuple[str, ...]
    unavailable: Mapping[str, str]

    @property
    def entry(self) -> str | None:
        """The inner value that a twin gathers at `logit_positions`; None where nothing is gathered."""
        return None if self.untouched else entry(self.taps)


def entry(taps: Collection[str]) -> str | None:
    """The inner value that enters the vocabulary product, where one of the taps is it or behind it."""
    entries = set(ENTRIES.values())
    there = (name for tap in taps if (name := ENTRIES.get(tap, tap)) in entries)
    behind = (name for start, name in _BEHIND.items() for tap in taps if tap.startswith(start))
    return next(itertools.chain(there, behind), None)


def gathered(entry: str) -> str:
    """What the value that enters the vocabulary product is called where it is gathered."""
    return f"{entry}.gathered"


def inner_name(tap: str) -> str:
    """What a tap's value is called inside a graph."""
    first, dot, rest = tap.partition(".")
    return _NEW.get(first, first) + dot + rest


def twin_name(tap: str) -> str:
    """What a tap's value is called inside a twin."""
    return gathered(tap) if tap in ENTRIES.values() else inner_name(tap)


def plan(job: Job, *, inner: Collection[str], aliases: Mapping[str, str], outputs: Collection[str]) -> Plan:
    """Decide between the shipped file and its twin.

    Args:
        job: its taps and settings.
        inner: names of the graph's inner values.
        aliases: inner value to the shipped output that is the same value.
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
    asked = {tap: inner_name(tap) for tap in job.taps}
    untouched = job.settings.get("shipped") == "1" or set(asked.values()) <= shipped - set(ENTRIES)
    held = shipped if untouched else set(inner) - {tap for tap, before in ENTRIES.items() if before not in inner}
    reason = "the shipped graph has no output for it" if untouched else "this graph holds no value of that name"
    taps = tuple(tap for tap, name in asked.items() if name in held)
    return Plan(untouched or not taps, taps, {tap: reason for tap in job.taps if tap not in taps})


def from_outputs(
    taps: Sequence[str], outputs: Mapping[str, Array], aliases: Mapping[str, str], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Taps from the outputs of the shipped graph: vocabulary logits gathered, start and end logits side by side.

    Raises:
        ParityError: the batch lacks the positions that are gathered.
    """
    answer: dict[str, Array] = {}
    for tap in taps:
        if tap == _SPANS:
            answer[tap] = np.stack([outputs[name] for name in _SPAN_OUTPUTS], axis=-1)
        elif tap in ENTRIES:
            answer[tap] = np.take_along_axis(outputs[aliases[tap]], at_positions(inputs)[..., None], axis=1)
        else:
            answer[tap] = outputs[aliases[inner_name(tap)]]
    return answer
