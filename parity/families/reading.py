"""What reading a source's config is made of, whatever the architecture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from parity.families.values import Config


def quoted(value: object) -> str:
    """A value of the JSON as it stands there, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def contradicted(
    config: Config,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    sizes: Mapping[str, str],
    fit: Iterable[tuple[str, str, int]],
) -> list[tuple[str, int, int, str]]:
    """Sizes that the config gives and the tensors contradict: (config key, config's, tensors', variable).

    Args:
        config: as read.
        shapes: the checkpoint's.
        sizes: field of the config by its key.
        fit: which axis of which variable each key's size is read off.
    """
    return [
        (key, getattr(config, sizes[key]), shapes[name][axis], name)
        for key, name, axis in fit
        if len(shapes.get(name, ())) > axis and shapes[name][axis] != getattr(config, sizes[key])
    ]
