"""A source checkpoint understood: its family, config, head, casing and the plan for every tensor, nothing read yet.

Everything that can be wrong with a source is found here, before a byte is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from parity.artifacts.choices import Choices, overrides, read_json
from parity.artifacts.deciding import activation_of, assumptions_of, inferred_of, rules_of
from parity.artifacts.proof import FILE, Proof, read_proof
from parity.artifacts.stream import target_dtype
from parity.checkpoints import Checkpoint, open_checkpoint
from parity.errors import ParityError, Problems
from parity.families import detect, family
from parity.families.base import Family
from parity.families.values import Config, Head
from parity.inputs.tokenizers import Rules
from parity.tensorfile import Array
from parity.weights import Move, Plan, Table, Zeros, plan

if TYPE_CHECKING:
    from parity.models import Card, Source

__all__ = ["Choices", "Understood", "read_json", "understand"]


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
    raw = {**inferred, **said, **overrides(choices.settings)}
    card, config_path = source.card, source.config or checkpoint.prefix
    activation = choices.activation or (card.activation.function if card and card.activation else None)
    written = _written_here(checkpoint.prefix)
    activation, noted = activation_of(architecture, raw, activation, written, checkpoint.format)
    config = architecture.read_config(raw, where=config_path, activation=activation)
    _check_fit(architecture, config, known, config_path, checkpoint.prefix)
    head = _choose_head(architecture, config, known, choices, checkpoint.prefix, card, written)
    table = architecture.table(config, head)
    planned = plan(table, shapes, where=checkpoint.prefix, rename=choices.rename, drop=choices.drop)
    labels = _check_shapes(architecture, config, head, planned, config_path, checkpoint.prefix)
    _check_dtypes(planned, checkpoint)
    rules = rules_of(architecture, config, source, choices) if choices.tokenizer else None
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
            *assumptions_of(architecture, raw, activation, choices, card, rules),
            *([noted] if noted and activation else ()),
            *inferred_of(inferred, said, choices),
            *(
                [f"flags of card {card.name}: none are published beside the weights"]
                if card and not source.config
                else []
            ),
            *(f"{move.target} is written as zeros: {_NEVER_READ}" for move in planned.moves if _is_zeros(move)),
            *architecture.notes(config, head),
        ),
    )


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


_NEVER_READ = "the checkpoint lacks it, and what it was trained for never reads it"


def _is_zeros(move: Move) -> bool:
    return isinstance(move.operation, Zeros)
