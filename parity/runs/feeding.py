"""What every runtime of a run is fed, which of it graphs are run on as they ship, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from parity.families.base import Family
from parity.families.values import Config
from parity.inputs.batch import Batch, digest
from parity.inputs.batches import Size, build_batches
from parity.inputs.extras import limits_of
from parity.inputs.files import read_inputs
from parity.inputs.textfiles import read_texts
from parity.inputs.tokenizers import Rules
from parity.runs.options import RunOptions

_SHIPPED_AREA = 256
"""Positions of the batches that the shipped graphs are run on: their vocabulary logits come for every position."""


def batches_of(
    family: Family, config: Config, tokenizer: Callable[[], Rules], options: RunOptions
) -> tuple[Batch, ...]:
    """The batches that the options name; a user's own need no tokenizer.

    Raises:
        ParityError: the user's inputs or texts do not fit this model.
    """
    if options.inputs not in ("small", "large"):
        return read_inputs(Path(options.inputs), **limits_of(family, config))
    texts = read_texts(options.texts) if options.texts else None
    size: Size = "large" if options.inputs == "large" else "small"
    return build_batches(
        tokenizer(),
        positions=config.positions,
        token_types=config.token_types,
        feeds=family.feeds,
        size=size,
        texts=texts,
    )


def as_shipped(files: Sequence[Path], batches: Sequence[Batch]) -> tuple[Path, ...]:
    """The batches for graphs as they ship: small ones first, as many as fit."""
    sizes = {file: batch.arrays["input_ids"].size for file, batch in zip(files, batches, strict=True)}
    chosen: list[Path] = []
    area = 0
    for file in sorted(sizes, key=sizes.__getitem__):
        if chosen and area + sizes[file] > _SHIPPED_AREA:
            break
        chosen.append(file)
        area += sizes[file]
    return tuple(sorted(chosen))


def told(name: str, batches: Sequence[Batch]) -> Mapping[str, object]:
    """The inputs of a model as the event `run` tells them."""
    return {
        "model": name,
        "digest": digest(batches),
        "real_tokens": sum(batch.real_tokens for batch in batches),
        "batches": [
            {
                "name": batch.name,
                "rows": int(batch.arrays["input_ids"].shape[0]),
                "length": int(batch.arrays["input_ids"].shape[1]),
                "real_tokens": batch.real_tokens,
                "kind": batch.kind,
            }
            for batch in batches
        ],
    }
