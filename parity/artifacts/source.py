"""A source checkpoint understood: its family, config, head, casing and the plan for every tensor, nothing read yet.

Everything that can be wrong with a source is found here, before a byte is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.artifacts.proof import FILE, Proof, read_proof
from parity.artifacts.stream import target_dtype
from parity.checkpoints import Checkpoint, open_checkpoint
from parity.checkpoints.objects import FORMAT as OBJECTS
from parity.errors import ParityError, Problems
from parity.families import detect, family
from parity.families.base import Family
from parity.families.values import Config, Head, gelu_option
from parity.inputs.tokenizers import Rules, read_rules
from parity.inputs.wordpiece import (
    Casing,
    Tokenizer,
    Vocabulary,
    check_vocab,
    guess_casing,
    of_casing,
    read_vocab,
)
from parity.tensorfile import Array
from parity.weights import Move, Plan, Table, Zeros, plan

if TYPE_CHECKING:
    from parity.models import Card, Source

_MAX_CONFIG = 1 << 20


@dataclass(frozen=True)
class Choices:
    """What a user may decide about a source; None leaves it to the card, the checkpoint, or a stated assumption."""

    family: str | None = None
    head: str | None = None
    activation: str | None = None
    lower_case: bool | None = None
    strip_accents: bool | None = None
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    tokenizer: bool = True
    """False: the weights alone are wanted, there is no vocabulary."""
    said: tuple[str, ...] = ()
    """What whoever made these choices has to say of them; the proof repeats it among its assumptions."""


@dataclass(frozen=True)
class Understood:
    """A source whose every tensor has a place."""

    name: str
    checkpoint: Checkpoint
    family: Family
    config: Config
    config_path: Path | None
    """None where everything was read off the tensors or given by hand."""
    head: Head
    labels: int
    rules: Rules | None
    """How text is read; None where only the weights are wanted."""
    table: Table
    plan: Plan
    assumptions: tuple[str, ...]

    @property
    def dtypes(self) -> dict[str, str]:
        """Each source tensor's dtype name."""
        absent = {move.source: "float32" for move in self.plan.moves if _is_zeros(move)}
        return {name: entry.dtype for name, entry in self.checkpoint.entries.items()} | absent

    def read(self, name: str) -> Array:
        """A source tensor; zeros for one that the checkpoint lacks and what it was trained for never reads."""
        absent = {move.source: move.source_shape for move in self.plan.moves if _is_zeros(move)}
        return np.zeros(absent[name], np.float32) if name in absent else self.checkpoint.read(name)


def understand(source: Source, choices: Choices) -> Understood:
    """Read config, vocabulary and the checkpoint's index, and make the plan.

    Raises:
        ParityError: the parts do not belong together; the message says which, and what to do.
    """
    checkpoint = open_checkpoint(source.checkpoint)
    shapes = {name: entry.shape for name, entry in checkpoint.entries.items()}
    known = {choices.rename.get(name, name): shape for name, shape in shapes.items()}
    named = choices.family or source.family
    architecture = family(named) if named else detect(known, where=checkpoint.prefix)
    inferred = architecture.infer(known) if architecture.infer else {}
    # A card's flags stand for a config where none was published.
    said = read_json(source.config) if source.config else dict(source.card.config) if source.card else {}
    raw = {**inferred, **said, **_overrides(choices.settings)}
    card, config_path = source.card, source.config or checkpoint.prefix
    activation = choices.activation or (card.activation.function if card and card.activation else None)
    written = _written_here(checkpoint.prefix)
    noted = ""
    if architecture.name == "bert" and activation is None and raw.get("hidden_act", "gelu") == "gelu":
        if written is not None:
            # bert_config.json has one word for both formulas; the proof beside it tells them apart.
            activation, noted = gelu_option(written.activation), _NOTED.format(gelu_option(written.activation))
        elif checkpoint.format == OBJECTS:
            activation, noted = "tanh", _LATER
    config = architecture.read_config(raw, where=config_path, activation=activation)
    _check_fit(architecture, config, known, config_path, checkpoint.prefix)
    head = _choose_head(architecture, config, known, choices, checkpoint.prefix, card, written)
    table = architecture.table(config, head)
    planned = plan(table, shapes, where=checkpoint.prefix, rename=choices.rename, drop=choices.drop)
    labels = _check_shapes(architecture, config, head, planned, config_path, checkpoint.prefix)
    _check_dtypes(planned, checkpoint)
    rules = _rules(architecture, config, source, choices) if choices.tokenizer else None
    return Understood(
        name=source.name,
        checkpoint=checkpoint,
        family=architecture,
        config=config,
        config_path=source.config,
        head=head,
        labels=labels,
        rules=rules,
        table=table,
        plan=planned,
        assumptions=(
            *_assumptions(architecture, raw, activation, choices, card, rules),
            *([noted] if noted and activation else ()),
            *_inferred(inferred, said, choices),
            *(
                [f"flags of card {card.name}: none are published beside the weights"]
                if card and not source.config
                else []
            ),
            *(f"{move.target} is written as zeros: {_NEVER_READ}" for move in planned.moves if _is_zeros(move)),
            *architecture.notes(config, head),
        ),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of sane size.

    Raises:
        ParityError: unreadable, too large, not JSON, or not an object.
    """
    remedy = "name the config that was published with the checkpoint (--config FILE)"
    try:
        if path.stat().st_size > _MAX_CONFIG:
            raise ParityError("too large for a config", where=path, got=f"{path.stat().st_size} bytes", remedy=remedy)
        value = json.loads(path.read_text(encoding="utf-8"))
        # Half a surrogate pair can be escaped in JSON, but never be written again.
        json.dumps(value, ensure_ascii=False).encode()
    except OSError as error:
        raise ParityError(f"cannot read the config: {error.strerror}", where=path, remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise ParityError(f"the config is not JSON: {error}", where=path, remedy=remedy) from error
    if not isinstance(value, dict):
        raise ParityError("the config is not a JSON object", where=path, got=type(value).__name__, remedy=remedy)
    return value


def _overrides(settings: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in settings.items():
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    return values


def _check_fit(
    architecture: Family, config: Config, shapes: Mapping[str, tuple[int, ...]], config_path: Path, prefix: Path
) -> None:
    problems = Problems("the config does not fit the checkpoint", where=config_path)
    for key, said, held, variable in architecture.misfits(config, shapes):
        problems.add(
            f"{key} does not fit {variable} in {prefix.name}",
            got=said,
            expected=held,
            remedy="take the config that was published with this checkpoint (--config FILE)",
        )
    problems.raise_if_any()


def _choose_head(
    architecture: Family,
    config: Config,
    names: Mapping[str, object],
    choices: Choices,
    prefix: Path,
    card: Card | None,
    written: Proof | None,
) -> Head:
    held = architecture.heads(names)
    if written is not None and choices.head is None:
        # Several heads have the same variables: which one they were converted as, the proof knows.
        same = next((head for head in held if head.name == written.head), None)
        if same is not None and names.keys() & _of(architecture, config, held[0]) <= _of(architecture, config, same):
            return same
    listed = ", ".join(head.name for head in held)
    if choices.head is not None:
        exact = [head for head in held if head.name == choices.head]
        # Where heads are named after tasks, the kind alone means the only one of its kind.
        of_kind = [head for head in held if head.name.startswith(f"{choices.head}-")]
        if exact or len(of_kind) == 1:
            return (exact or of_kind)[0]
        raise ParityError(
            f"the checkpoint holds no head {choices.head}",
            where=prefix,
            expected=f"one of {listed}",
            remedy="choose one",
        )

    lacking = _lacking(architecture, config, held, names, card)
    held = tuple(head for head in held if head not in lacking)
    best = held[0]
    variables, _ = architecture.known(names)
    taken = {rule.source for rule in architecture.table(config, best).expanded()}
    excused = {v.name for head in lacking for v in architecture.variables(config, head)}
    if any(name in variables and name not in taken and name not in excused for name in names):
        raise ParityError(
            "the checkpoint holds several heads and no class has them all",
            where=prefix,
            got=listed,
            remedy="choose one with --head",
        )
    return best


def _of(architecture: Family, config: Config, head: Head) -> set[str]:
    return {variable.name for variable in architecture.variables(config, head)}


def _written_here(prefix: Path) -> Proof | None:
    """The proof beside a checkpoint that `--to tensorflow` wrote, or that stands for a Hugging Face directory."""
    if not (prefix.parent / FILE).is_file():
        return None
    proof = read_proof(prefix.parent)
    return proof if proof.to == "tensorflow" else None


def _lacking(
    architecture: Family, config: Config, held: tuple[Head, ...], names: Mapping[str, object], card: Card | None
) -> tuple[Head, ...]:
    """Heads that the publication is known to have left incomplete (the card says so), and that are incomplete here."""
    absent = set(card.source.absent) - set(names) if card else set()
    return tuple(h for h in held if absent & {v.name for v in architecture.variables(config, h)})


def _check_shapes(
    architecture: Family, config: Config, head: Head, planned: Plan, config_path: Path, prefix: Path
) -> int:
    sources = {
        rule.source: move for rule, move in zip(architecture.table(config, head).expanded(), planned.moves, strict=True)
    }
    labels = architecture.labels(head, {known: move.source_shape for known, move in sources.items()})
    problems = Problems(f"variables have other shapes than {config_path.name} says", where=prefix)
    for variable in architecture.variables(config, head, labels=labels):
        got = sources[variable.name].source_shape
        if got != variable.shape:
            problems.add(
                f"{variable.name} has another shape than {config_path.name} says",
                got=list(got),
                expected=list(variable.shape),
                remedy="take the config that was published with this checkpoint (--config FILE)",
            )
    if labels < 1:
        problems.add("the classifier has no classes", got=0, remedy="take another checkpoint")
    problems.raise_if_any()
    return labels if architecture.has_labels(head) else 0


def _check_dtypes(planned: Plan, checkpoint: Checkpoint) -> None:
    problems = Problems("weights that are not floating point", where=checkpoint.prefix)
    for move in (one for one in planned.moves if not _is_zeros(one)):
        dtype = checkpoint.entries[move.source].dtype
        if target_dtype(dtype) not in ("float32", "float64"):
            problems.add(f"{move.source} is no floating point tensor", got=dtype, remedy="take another checkpoint")
    problems.raise_if_any()


def _rules(architecture: Family, config: Config, source: Source, choices: Choices) -> Rules:
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


_LATER = (
    'hidden_act "gelu" is taken as tanh, as in the Model Garden, whose object-based checkpoints are younger than that '
    "formula; --activation erf for models trained otherwise"
)
_NOTED = f'hidden_act "gelu" is taken as {{}}, as {FILE} beside the checkpoint says'
_NEVER_READ = "the checkpoint lacks it, and what it was trained for never reads it"


def _is_zeros(move: Move) -> bool:
    return isinstance(move.operation, Zeros)


def _inferred(inferred: Mapping[str, Any], said: Mapping[str, Any], choices: Choices) -> tuple[str, ...]:
    told = {key: value for key, value in inferred.items() if key not in said and key not in choices.settings}
    listed = ", ".join(f"{key} = {json.dumps(value)}" for key, value in sorted(told.items()))
    return (f"read off the tensors: {listed}",) if told else ()


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


def _assumptions(
    architecture: Family,
    raw: Mapping[str, Any],
    activation: str | None,
    choices: Choices,
    card: Card | None,
    rules: Rules | None,
) -> tuple[str, ...]:
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
