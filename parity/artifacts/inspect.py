"""`parity inspect`: what a checkpoint holds and what it would become, without converting it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from parity.checkpoints import open_checkpoint
from parity.checkpoints.index import shown
from parity.errors import ParityError
from parity.families import detect
from parity.families.base import Family
from parity.weights import Drop, reason_to_drop


@dataclass(frozen=True)
class TensorLine:
    """One stored tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    shards: tuple[int, ...]
    slices: int
    role: str
    """`model`, or why it is no part of the model."""


@dataclass(frozen=True)
class Inspection:
    """Everything a look at the index tells."""

    prefix: str
    format: str
    files: tuple[tuple[str, int], ...]
    family: str | None
    heads: tuple[str, ...]
    layers: int | None
    tensors: tuple[TensorLine, ...]
    problems: tuple[str, ...]

    def to_json(self) -> str:
        """Machine-readable."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    def to_text(self) -> str:
        """For people: summary first, then a line per tensor."""
        model = [line for line in self.tensors if line.role == "model"]
        names = [shown(line.name) for line in self.tensors]
        width = max(map(len, names), default=0)
        head = [
            f"{self.prefix}: {self.format}, {len(self.tensors)} tensors, {_size(sum(t.nbytes for t in self.tensors))}",
            *(f"  {name}  {_size(size)}" for name, size in self.files),
            f"family {self.family or 'unknown'}; heads {', '.join(self.heads) or 'none'}; layers {self.layers or '-'}",
            f"model: {len(model)} tensors, {_size(sum(line.nbytes for line in model))}",
            *(
                f"left behind: {count} x {role}"
                for role, count in sorted(Counter(t.role for t in self.tensors if t.role != "model").items())
            ),
            "",
        ]
        lines = [
            f"{name:<{width}}  {line.dtype:<8} {'x'.join(map(str, line.shape)) or 'scalar':<14}"
            + (f" in {line.slices} slices" if line.slices > 1 else "")
            + (f" of {len(line.shards)} shards" if len(line.shards) > 1 else "")
            + (f"  ({line.role})" if line.role != "model" else "")
            for name, line in zip(names, self.tensors, strict=True)
        ]
        return "\n".join([*head, *lines])


def inspection(path: Path) -> Inspection:
    """Look at a checkpoint's index.

    Raises:
        ParityError: no readable checkpoint; an architecture that is not recognised is no error here.
    """
    with open_checkpoint(path) as checkpoint:
        entries = checkpoint.entries
        problems: list[str] = []
        family: Family | None = None
        try:
            family = detect(entries, where=checkpoint.prefix)
        except ParityError as error:
            problems.append(str(error))
        variables, state = family.known(entries) if family else ((), ())
        return Inspection(
            prefix=str(checkpoint.prefix),
            format=checkpoint.format,
            files=tuple((file.name, file.stat().st_size) for file in checkpoint.files),
            family=family.name if family else None,
            heads=tuple(head.name for head in family.heads(entries)) if family else (),
            layers=family.layers(entries) if family else None,
            tensors=tuple(
                TensorLine(e.name, e.dtype, e.shape, e.nbytes, e.shards, e.slices, _role(e.name, variables, state))
                for e in entries.values()
            ),
            problems=tuple(problems),
        )


def _role(name: str, variables: Collection[str], state: Sequence[Drop]) -> str:
    reason = reason_to_drop(name, variables, state)
    if reason is None:
        return "model"
    # One slot of a hundred variables is one kind of thing.
    kind = reason.partition(" of ")[0]
    return kind if kind.startswith("optimizer slot ") else reason


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e6:,.1f} MB" if nbytes >= 1e5 else f"{nbytes / 1e3:,.1f} kB"
