"""What the texts of graphs ask of a config.json, all problems told at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from parity.artifacts.graph_export import Source
from parity.errors import Problems

ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
}
"""transformers' names of activations (ACT2FN), and ours."""


def checked_config(
    source: Source,
    kind: str,
    *,
    sizes: Collection[str],
    epsilon: str,
    choices: Mapping[str, Collection[object]],
    multiple: tuple[str, str] | None = None,
) -> Mapping[str, Any]:
    """The config, when it describes what a text draws.

    Args:
        source: the folder.
        kind: what a text draws, for the message.
        sizes: fields that have to be positive whole numbers.
        epsilon: the field that is a layer norm's.
        choices: fields with the values that can be drawn; a field that is absent has the first.
        multiple: two sizes, the first of which is a multiple of the second.

    Raises:
        ParityError: fields missing, or another computation.
    """
    config = source.config
    problems = Problems(
        f"config.json does not describe {kind} this graph computes", where=source.folder / "config.json"
    )
    for key in sizes:
        if not whole(config.get(key)) or config[key] < 1:
            problems.add(f"{key} is not a positive whole number", got=config.get(key))
    if not isinstance(config.get(epsilon), float):
        problems.add(f"{epsilon} is not a number", got=config.get(epsilon))
    for key, known in choices.items():
        value = config.get(key, next(iter(known)))
        if not any(value is one or (type(value) is type(one) and value == one) for one in known):
            problems.add(f"{key} cannot be drawn", got=value, expected=f"one of {', '.join(map(repr, known))}")
    if not len(problems) and multiple and config[multiple[0]] % config[multiple[1]]:
        problems.add(f"{multiple[0]} is no multiple of {multiple[1]}", got=config[multiple[0]])
    problems.raise_if_any()
    return config


def whole(value: object) -> bool:
    """Is it a whole number?"""
    return isinstance(value, int) and not isinstance(value, bool)
