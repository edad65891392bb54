"""The checkpoint and reference that a diagnosis runs its alterations of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from parity.backends.job import Job
from parity.backends.reference import Reference, open_reference
from parity.families import family
from parity.families.base import Family
from parity.families.values import Config, Head, Variable
from parity.measure.places import guess_axes
from parity.ops import Stage
from parity.tensorfile import Array

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Original:
    """An opened checkpoint with everything its family says about it."""

    reference: Reference
    family: Family
    config: Config
    head: Head

    @cached_property
    def variables(self) -> Mapping[str, Variable]:
        """Of the original graph, by name."""
        shapes = {name: entry.shape for name, entry in self.reference.checkpoint.entries.items()}
        labels = self.family.labels(self.head, shapes)
        return {v.name: v for v in self.family.variables(self.config, self.head, labels=labels)}

    @cached_property
    def axes(self) -> Mapping[str, str]:
        """How the family spells its taps."""
        every = (*self.family.taps(self.config, self.head), *self.family.fine_taps(self.config, self.head))
        return {tap.name: tap.axes for tap in every}

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """The list of hidden states, embeddings first; memories and a second stream are lists of their own."""
        taps = self.family.taps(self.config, self.head)
        return tuple(tap.name for tap in taps if tap.station == "hidden" and tap.axes == taps[0].axes)

    def axes_of(self, tap: str, shape: tuple[int, ...], inputs: Mapping[str, Array]) -> str:
        """The spelling of one tap, guessed for stages that are no taps."""
        return self.axes.get(tap) or guess_axes(tap, shape, inputs)

    def read(self, name: str) -> Array:
        """A tensor as stored, or in float32 where NumPy's own types do not hold it."""
        stored = self.reference.read(name)
        return stored if stored.dtype.name in ("float32", "float64") else stored.astype(np.float32)

    def stages(self, changed: Mapping[str, Any]) -> Sequence[Stage]:
        """The reference under another config."""
        return self.family.stages(replace(self.config, **changed), self.head) if changed else self.reference.stages

    def namesakes(self, name: str) -> dict[int, str]:
        """The same tensor of every layer, by number; empty for one that is in no layer.

        Other numbers than a layer's count clusters, whose tensors differ in shape.
        """
        number = _NUMBER.search(name)
        if number is None:
            return {}
        found = {i: f"{name[: number.start()]}{i}{name[number.end() :]}" for i in range(self.config.layers)}
        shape = self.variables[name].shape if name in self.variables else None
        return {i: o for i, o in found.items() if o in self.variables and self.variables[o].shape == shape}


def template(name: str) -> str:
    """A tensor's or stage's name without the number of its layer."""
    return _NUMBER.sub("*", name, count=1)


def layer_of(name: str) -> int | None:
    """The number of the layer that a tensor or stage belongs to."""
    number = _NUMBER.search(name)
    return int(number[0]) if number else None


def open_original(job: Job) -> Original:
    """Open what an oracle job names.

    Raises:
        ParityError: checkpoint or config are unreadable or do not fit the job.
    """
    reference = open_reference(replace(job, precision="float64"))
    where = Path(job.source["config"])
    architecture = family(job.family)
    raw = json.loads(where.read_text(encoding="utf-8"))
    config = architecture.read_config(raw, where=where, activation=job.source.get("activation") or None)
    head = architecture.head(job.head)
    assert head is not None
    return Original(reference, architecture, config, head)
