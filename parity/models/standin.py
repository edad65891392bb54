"""A stand-in: a checkpoint in a card's own format and shape, with drawn weights and a vocabulary from our corpora.

It lets everything run that needs no meaning in the weights. At full scale the published shape is kept; the smaller
scales shrink layers, widths and vocabulary, but keep special ids, casing and the gap between vocabulary and table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.checkpoints import WRITERS
from parity.families import family
from parity.families.values import Config, Variable
from parity.inputs.corpora import corpora
from parity.inputs.normalise import words
from parity.models.cache import whole
from parity.models.shapes import SHAPES, Scale
from parity.models.vocabularies import write_vocabulary
from parity.models.vocabulary import build_vocabulary
from parity.models.weights import draw, specs

if TYPE_CHECKING:
    from parity.models.schema import Card

RECIPE = 1
"""Raise it when any byte of a stand-in would change, so that caches build anew."""


_MOST_SPARE = 16
"""Rows without a line in the vocabulary that the small scales keep, where the published model has more."""


@dataclass(frozen=True)
class Blueprint:
    """A card's model at one scale: the config file to write, the same as read, and the published head's variables."""

    config_name: str
    raw: Mapping[str, Any]
    config: Config
    variables: tuple[Variable, ...]


def blueprint(card: Card, scale: Scale = "full") -> Blueprint:
    """Config and variables of a card's model; the published ones at full scale."""
    architecture, shapes = family(card.family), SHAPES[card.family]
    name = architecture.config_names[0]
    raw = {**card.config, **shapes.scales[scale]}
    activation = card.activation.function if card.activation else None
    config = architecture.read_config(raw, where=Path(name), activation=activation)
    head = next(head for head in architecture.all_heads if head.name == shapes.head)
    variables = architecture.variables(config, head)
    if architecture.infer is not None:
        # What a reader will find written, and what tensors tell besides.
        told = architecture.infer({variable.name: variable.shape for variable in variables})
        config = architecture.read_config({**told, **raw}, where=Path(name), activation=activation)
    return Blueprint(name, raw, config, variables)


def digest(card: Card, scale: Scale) -> str:
    """Twelve hex digits of everything a stand-in is made from: recipe, card, scale, corpora."""
    shape = repr(sorted(SHAPES[card.family].scales[scale].items()))
    parts = (str(RECIPE), card.model_dump_json(), scale, shape, *chain.from_iterable(corpora().values()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def build_stand_in(card: Card, *, scale: Scale, folder: Path) -> None:
    """Build a stand-in as `folder`, which appears whole or not at all.

    Raises:
        ParityError: `folder` exists, or the disk refuses.
    """
    with whole(folder) as temporary:
        write_stand_in(card, scale=scale, folder=temporary)


def write_stand_in(card: Card, *, scale: Scale, folder: Path) -> None:
    """Write the checkpoint (published head, global_step), its config and its vocabulary into an existing folder.

    The card's optimizer slots are written at the small scales only: at full shape they would triple the file.
    Variables that the publication lacks are there, so that every head can be tried. `stand-in.json` says both.
    """
    plan = blueprint(card, scale)
    config_text = json.dumps(plan.raw, indent=2, sort_keys=True) + "\n"
    (folder / plan.config_name).write_text(config_text, encoding="utf-8")
    spare = card.spare_rows if scale == "full" else min(card.spare_rows, _MOST_SPARE)
    _write_vocabulary(card, folder, plan.config.vocab_size - spare)
    slots = card.source.slots if scale != "full" else ()
    tensors = specs(plan.variables, slots, ordered=family(card.family).container != "bundle")
    values = draw(tensors, plan.variables, seed=f"{RECIPE}/{card.name}")
    WRITERS[family(card.family).container](folder / Path(card.source.prefix).name, tensors, values)
    note = {
        "card": card.name,
        "scale": scale,
        "recipe": RECIPE,
        "published slots left out": [slot for slot in card.source.slots if slot not in slots],
        "here though not published": sorted(card.source.absent),
    }
    (folder / "stand-in.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _write_vocabulary(card: Card, folder: Path, size: int) -> None:
    kind, texts = family(card.family).tokenizer, chain.from_iterable(corpora().values())
    if kind != "wordpiece":
        write_vocabulary(kind, folder, texts, size=size, special=card.vocabulary.special)
        return
    casing = card.casing
    assert casing is not None, "the schema demands a casing of BERT's cards"
    tokens = build_vocabulary(
        texts,
        words=partial(words, lower_case=casing.lower_case, strip_accents=casing.strip_accents),
        special=card.vocabulary.special,
        size=size,
    )
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8", newline="\n")
