"""What is decided about a source where its files leave it open: casing, activation, and what a proof says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from parity.artifacts.choices import Choices
from parity.artifacts.proof import FILE, Proof
from parity.checkpoints.objects import FORMAT as OBJECTS
from parity.errors import ParityError
from parity.families.base import Family
from parity.families.values import Config, gelu_option
from parity.inputs.tokenizers import Rules, read_rules
from parity.inputs.wordpiece import Casing, Tokenizer, Vocabulary, check_vocab, guess_casing, of_casing, read_vocab

if TYPE_CHECKING:
    from parity.models import Card, Source

_LATER = (
    'hidden_act "gelu" is taken as tanh, as in the Model Garden, whose object-based checkpoints are younger than that '
    "formula; --activation erf for models trained otherwise"
)
_NOTED = f'hidden_act "gelu" is taken as {{}}, as {FILE} beside the checkpoint says'


def activation_of(
    architecture: Family, raw: Mapping[str, Any], activation: str | None, written: Proof | None, container: str
) -> tuple[str | None, str]:
    """What "gelu" means where the config has one word for both formulas, and what a proof says of it (maybe nothing).

    Args:
        architecture: of the source.
        raw: its config.
        activation: what option or card says.
        written: the proof beside a checkpoint that was made from a Hugging Face directory.
        container: the checkpoint's format.
    """
    if architecture.name != "bert" or activation is not None or raw.get("hidden_act", "gelu") != "gelu":
        return activation, ""
    if written is not None:
        found = gelu_option(written.activation)
        return found, _NOTED.format(found) if found else ""
    return ("tanh", _LATER) if container == OBJECTS else (None, "")


def rules_of(architecture: Family, config: Config, source: Source, choices: Choices) -> Rules:
    """How the source reads text.

    Raises:
        ParityError: there is no vocabulary, or it is not this model's.
    """
    if source.vocab is None:
        names = " or ".join(" with ".join(together) for together in architecture.vocabulary_names)
        raise ParityError(f"no vocabulary: no {names}", where=source.checkpoint, remedy="name it with --vocab FILE")
    if architecture.tokenizer == "wordpiece":
        card, vocabulary = source.card, read_vocab(source.vocab)
        check_vocab(vocabulary, config.vocab_size, spare_rows=bool(card and card.spare_rows))
        return of_casing(vocabulary, _casing(vocabulary, choices, source))
    if choices.lower_case is not None or choices.strip_accents is not None:
        option = "--lower-case, --cased, --strip-accents and --keep-accents"
        raise ParityError(f"{option} are BERT's", got=architecture.name, remedy="leave them out")
    return read_rules(architecture.tokenizer, source.vocab, size=config.vocab_size)


def _casing(vocabulary: Vocabulary, choices: Choices, source: Source) -> Casing:
    card = source.card
    found = guess_casing(vocabulary)
    if card is not None and card.casing is not None:
        found = Casing(card.casing.lower_case, card.casing.strip_accents, f"card {card.name}")
    elif source.casing is not None:
        found = Casing(*source.casing, "the directory's tokenizer_config.json")
    if choices.lower_case is not None:
        # The original couples the two; --keep-accents uncouples them.
        found = Casing(choices.lower_case, choices.lower_case, "option")
    if choices.strip_accents is not None:
        found = replace(found, strip_accents=choices.strip_accents, evidence=f"{found.evidence}, option for accents")
    return found


def inferred_of(inferred: Mapping[str, Any], said: Mapping[str, Any], choices: Choices) -> tuple[str, ...]:
    """What the tensors told of the config."""
    told = {key: value for key, value in inferred.items() if key not in said and key not in choices.settings}
    listed = ", ".join(f"{key} = {json.dumps(value)}" for key, value in sorted(told.items()))
    return (f"read off the tensors: {listed}",) if told else ()


def assumptions_of(
    architecture: Family,
    raw: Mapping[str, Any],
    activation: str | None,
    choices: Choices,
    card: Card | None,
    rules: Rules | None,
) -> tuple[str, ...]:
    """Everything that was taken for granted, in sentences."""
    said = list(choices.said)
    if card is not None and card.activation and choices.activation is None and card.activation.certainty == "assumed":
        said.append(f"gelu taken as {card.activation.function}: {card.activation.reason}")
    if architecture.name == "bert" and activation is None and raw.get("hidden_act", "gelu") == "gelu":
        said.append(
            'hidden_act "gelu" is taken as erf, as in the original code until 2019-02-07; '
            "--activation tanh for models trained with later code"
        )
    if card is None and choices.lower_case is None and isinstance(rules, Tokenizer):
        said.append(
            f"casing read off the vocabulary: {'lower-case' if rules.lower_case else 'cased'}, "
            f"accents {'stripped' if rules.strip_accents else 'kept'} ({rules.evidence}); "
            "--lower-case, --cased, --strip-accents or --keep-accents decide by hand"
        )
    said += [f"{key} overridden by --set to {value}" for key, value in sorted(choices.settings.items())]
    unread = architecture.unread_keys(raw)
    if unread:
        said.append(f"config keys without effect in the original code: {', '.join(unread)}")
    return tuple(said)
