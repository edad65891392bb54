"""How the original names a task's variables, and which task a head's name means."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_LAYER = re.compile(r"model/transformer/layer_(\d{1,6})/")
_TASK = re.compile(r"model/(classification|regression)_(.*)/logit/(?:kernel|bias)")
_KINDS = {"classification": "classifier", "regression": "regression"}
_SCOPES = {kind: scope for scope, kind in _KINDS.items()}
UNNAMED = "task"
"""What a task is called that a Hugging Face directory does not name."""
INNER = "model"
"""Suffix of a head whose variables lie under `model/`; the original's function_builder.py has them at the root."""


@dataclass(frozen=True)
class Task:
    """What a head's name says: its kind, and the scope of its variables (`model/classification_imdb/logit`)."""

    kind: str
    scope: str


def task(name: str) -> Task:
    """The task that a head of this name is for: `classifier-imdb`, `regression-sts-b`, `qa`, `qa-model`, ..."""
    if name in ("lm", "none", "multiple-choice", "qa"):
        return Task(name, {"multiple-choice": "logits/"}.get(name, ""))
    if name == f"qa-{INNER}":
        return Task("qa", "model/")
    if name == f"multiple-choice-{INNER}":
        return Task("multiple-choice", "model/logits/")
    kind, _, of = name.partition("-")
    return Task(kind, f"model/{_SCOPES[kind]}_{of or UNNAMED}/logit/")


def tasks(names: Collection[str]) -> list[str]:
    """Names of the heads for the tasks whose output layers these variables are, in the order of their letters."""
    found = {(_KINDS[match[1]], match[2]) for match in map(_TASK.fullmatch, names) if match}
    return sorted(f"{kind}-{of}" for kind, of in found)


def layers(names: Collection[str]) -> int:
    """Number of layers that these variable names speak of."""
    return max((int(match[1]) for match in map(_LAYER.match, names) if match), default=-1) + 1
