"""A weight map is a table of rules in two aligned columns of templates; the inverse is derived, never written."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

from parity.errors import Problems
from parity.weights.operations import Copy, Cut, Operation, Part, Row, Stacked
from parity.weights.sharing import Merged, Same, Zeros

BY_HAND = "dropped by --drop"
_HOW = "--drop or --map decides by hand"


@dataclass(frozen=True)
class Rule:
    """`source` becomes `target` by `operation`; `{i}` in both stands for every layer.

    `{i}` in the target alone: the source holds all layers stacked, and layer i is its row i; with `Same`, the source
    holds one tensor for all layers, and each has a copy.
    """

    source: str
    target: str
    operation: Operation = Copy()


@dataclass(frozen=True)
class Drop:
    """Source tensors matching a glob are left behind on purpose; `reason` goes into the proof."""

    pattern: str
    reason: str


@dataclass(frozen=True)
class Table:
    """All rules of one architecture and head, with its number of layers and what is dropped on purpose.

    `tied` maps a target name that shares another target's storage to that other name: it is never written.
    `zeros` names sources that a checkpoint may lack, each with the target's shape: the target is then written as zeros.
    """

    rules: tuple[Rule, ...]
    layers: int
    drops: tuple[Drop, ...] = ()
    tied: tuple[tuple[str, str], ...] = ()
    zeros: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def expanded(self) -> tuple[Rule, ...]:
        """One rule per tensor, layers in numeric order."""
        return tuple(one for rule in self.rules for one in self._of_layers(rule))

    def _of_layers(self, rule: Rule) -> tuple[Rule, ...]:
        shared = isinstance(rule.operation, Same | Merged)
        ends = ("{i}" in rule.source, "{i}" in rule.target)
        if not any(ends):
            return (rule,)
        each: Mapping[tuple[bool, bool], Callable[[int], Operation]] = {
            (True, True): lambda i: rule.operation,
            (False, True): lambda i: Same(i, self.layers) if shared else Row(i, self.layers),
            (True, False): lambda i: Merged(i, self.layers) if shared else Stacked(i, self.layers),
        }
        names = ((rule.source.format(i=i), rule.target.format(i=i), each[ends](i)) for i in range(self.layers))
        return tuple(Rule(*one) for one in names)

    def inverted(self) -> Table:
        """The table that leads back: columns exchanged, operations inverted."""
        return Table(tuple(Rule(r.target, r.source, r.operation.inverse()) for r in self.rules), self.layers)


@dataclass(frozen=True)
class Move:
    """One tensor's way: names, operation and both shapes."""

    source: str
    target: str
    operation: Operation
    source_shape: tuple[int, ...]
    target_shape: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Every tensor's way and every tensor left behind, checked against the laws before data is read."""

    moves: tuple[Move, ...]
    dropped: tuple[tuple[str, str], ...]


def plan(
    table: Table,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    where: str | PathLike[str],
    rename: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
) -> Plan:
    """Match a checkpoint's tensors with a table and check the laws, all violations at once.

    Laws: every source tensor is claimed exactly once or dropped with a reason; every target is produced exactly once;
    every operation fits the shape it meets.

    Args:
        table: rules for the architecture and head.
        shapes: the checkpoint's tensor names and shapes.
        where: the checkpoint, for messages.
        rename: the user's `--map OLD=NEW`, checkpoint name to table name.
        drop: the user's `--drop GLOB`.

    Raises:
        ParityError: unknown, missing, doubly claimed or misshapen tensors, with the nearest known names.
    """
    problems = Problems("the checkpoint does not fit the weight table", where=where)

    def hint(name: str, known: Collection[str], *, other: str = _HOW) -> str:
        # Looking for near names is slow, and a checkpoint of another make has a thousand problems: most are not shown.
        return _nearest(name, known, other=other) if len(problems) < problems.limit else other

    renamed = rename or {}
    rules: dict[str, list[Rule]] = {}
    ends = set[tuple[str, str]]()
    for rule in table.expanded():
        # Of a whole each part is claimed, or produced, by itself.
        part = rule.operation.name
        claims = {(f"from {rule.source}", part if isinstance(rule.operation, Row | Cut | Same) else "")}
        claims |= {(f"to {rule.target}", part if isinstance(rule.operation, Stacked | Part | Merged) else "")}
        if claims & ends:
            problems.add(f"two rules claim {rule.source} or {rule.target}", remedy="mend the family's table")
        rules.setdefault(rule.source, []).append(rule)
        ends |= claims
    for old in sorted(renamed.keys() - shapes.keys()):
        problems.add(f"--map names {old}, which the checkpoint does not hold", remedy=_nearest(old, shapes))
    for glob in drop:
        if not any(fnmatch.fnmatchcase(name, glob) for name in shapes):
            problems.add(f"--drop {glob} meets no variable", remedy=_nearest(glob, shapes, other="leave it out"))
    by_hand = tuple(Drop(glob, BY_HAND) for glob in drop)
    moves: dict[str, list[Move]] = {}
    dropped: list[tuple[str, str]] = []
    for name in sorted(shapes):
        known = _renamed(name, renamed)
        claimed = rules.get(known)
        reason = reason_to_drop(name, (), by_hand) or reason_to_drop(known, rules, table.drops)
        if reason is not None or claimed is None:
            if reason is None:
                problems.add(f"unknown variable {name}", got=list(shapes[name]), remedy=hint(name, rules))
            else:
                dropped.append((name, reason))
            continue
        if known in moves:
            problems.add(f"{name} and {moves[known][0].source} both claim {known}", remedy="name one of them in --drop")
            continue
        try:
            moves[known] = [
                Move(name, claim.target, claim.operation, shapes[name], claim.operation.shape(shapes[name]))
                for claim in claimed
            ]
        except ValueError as error:
            problems.add(f"{name}: {error}", remedy="the checkpoint belongs to another architecture")
    for source, shape in table.zeros:
        if source not in moves:
            moves[source] = [Move(source, rule.target, Zeros(), shape, shape) for rule in rules[source]]
    candidates = [name for name in shapes if name not in rules]
    for source in (source for source in rules if source not in moves):
        remedy = hint(source, candidates, other="--map OLD=NEW names a substitute")
        problems.add(f"missing variable {source}", remedy=remedy)
    problems.raise_if_any()
    return Plan(tuple(move for source in rules for move in moves[source]), tuple(dropped))


def reason_to_drop(name: str, rules: Collection[str], drops: Sequence[Drop]) -> str | None:
    """Why a checkpoint's tensor is no part of the model; None if it should be one.

    Args:
        name: the tensor.
        rules: names of the model's variables.
        drops: what is left behind on purpose.
    """
    if name in rules:
        return None
    reason = _left_behind(name, drops)
    variable, _, slot = name.rpartition("/")
    if reason is None and (variable in rules or _left_behind(variable, drops) is not None):
        # tf.train.Saver stores every optimizer's slots under `<variable>/<slot>`; no model variable is named so.
        return f"optimizer slot {slot} of {variable}"
    return reason


def _left_behind(name: str, drops: Sequence[Drop]) -> str | None:
    return next((drop.reason for drop in drops if fnmatch.fnmatchcase(name, drop.pattern)), None)


def _renamed(name: str, rename: Mapping[str, str]) -> str:
    """The table's name for a checkpoint's; a variable's slots are renamed with it."""
    variable, slash, slot = name.rpartition("/")
    return rename.get(name) or (rename[variable] + slash + slot if variable in rename else name)


def _nearest(name: str, known: Collection[str], *, other: str = _HOW) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.75)
    return f"nearest known: {' or '.join(close)}; {other}" if close else other
