"""Source names beside a class's parameters, as people write them by hand: which variable fills which parameter."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from parity.errors import ParityError, Problems
from parity.weights import Rule, Table

PLACEHOLDER = "tf_output_layer_name"
"""What the documentation's sample writes where the name of the source's output layer belongs."""
_ROLES = {
    **dict.fromkeys(("output_weights", "kernel", "weights", "weight", "gamma"), "weight"),
    **dict.fromkeys(("output_bias", "bias", "biases", "beta"), "bias"),
}


@dataclass(frozen=True)
class Filled:
    """How the class's parameters are filled."""

    rename: Mapping[str, str]
    """Variables that stand in for one of the table's: new name by the checkpoint's."""
    variables: Mapping[str, str]
    """The checkpoint's variable for every parameter."""
    said: tuple[str, ...]
    """What was read otherwise than it was written, and why."""


def fill(
    table: Table,
    target_class: str,
    mappings: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    by_hand: Mapping[str, str],
    where: Path,
) -> Filled:
    """Read `mappings` with the class's real parameter names and the checkpoint's real variables.

    Args:
        table: the class's rules.
        target_class: its name, for messages.
        mappings: variable, scope or layer name -> parameter or module of the class.
        shapes: the checkpoint's variables.
        by_hand: what `--map` says: these need no mapping any more.
        where: the file the mappings stand in.

    Raises:
        ParityError: names that mean nothing, or a parameter that no variable fills; all at once.
    """
    rules = {rule.target: rule for rule in table.expanded()}
    tied = dict(table.tied)
    problems = Problems("the mappings cannot be followed", where=where)
    rename: dict[str, str] = {}
    said: list[str] = []
    for written, target in mappings.items():
        try:
            meant, line = _target(target, target_class, {*rules, *tied})
            said += [line] if line else []
            held = _variables(written, shapes)
            if not held and written == PLACEHOLDER:
                sources = [rule.source for name, rule in rules.items() if name == meant or name.startswith(f"{meant}.")]
                said.append(f"{written} is the sample's placeholder; {meant} is filled from {', '.join(sources)}")
                continue
            if not held:
                raise ParityError(f"the checkpoint holds no {written}", where=where, remedy=_nearest(written, shapes))
            for variable in held:
                rule = _rule(variable, meant, rules, tied, where)
                if rule.source != variable:
                    rename[variable] = rule.source
        except ParityError as error:
            problems.extend([error])
    known = {**{name: name for name in shapes}, **{new: old for old, new in {**rename, **by_hand}.items()}}
    if not len(problems):
        # A mapping that could not be read would have filled something.
        problems.extend(
            _unfilled(n, rule, target_class, where) for n, rule in rules.items() if rule.source not in known
        )
    problems.raise_if_any()
    return Filled(rename, {name: known[rule.source] for name, rule in rules.items()}, tuple(said))


def _unfilled(name: str, rule: Rule, target_class: str, where: Path) -> ParityError:
    return ParityError(
        f"no variable of the checkpoint fills {name} of {target_class}",
        where=where,
        expected=rule.source,
        remedy="map one in tf_torch_mappings, or ask for a class that the checkpoint fills: nothing is made up",
    )


def _target(written: str, target_class: str, parameters: Collection[str]) -> tuple[str, str | None]:
    """The parameter or module that is meant, and what to say where it is not what is written."""
    modules = {name.rpartition(".")[0] for name in parameters}
    if written in parameters or written in modules:
        return written, None
    near = difflib.get_close_matches(written, {*parameters, *modules}, n=1, cutoff=0.85)
    if not near:
        own = sorted(module for module in modules if not module.startswith(("bert.", "encoder.", "embeddings.")))
        raise ParityError(
            f"{target_class} has no parameter {written}", expected=", ".join(own) or None, remedy="mend the mapping"
        )
    return near[0], f"{target_class} has no {written}; it has {near[0]}, which is taken"


def _variables(written: str, shapes: Collection[str]) -> list[str]:
    """The variables that a name means: itself, those in a scope, or those of a layer named by its last part."""
    if written in shapes:
        return [written]
    inner = f"/{written.strip('/')}/"
    found = [name for name in shapes if f"/{name}".startswith(inner)] or [name for name in shapes if inner in name]
    found = found or [name for name in shapes if name.endswith(inner[:-1])]
    # An optimizer's slots lie below the variable they belong to.
    return sorted(name for name in found if name.rpartition("/")[0] not in shapes)


def _rule(variable: str, meant: str, rules: Mapping[str, Rule], tied: Mapping[str, str], where: Path) -> Rule:
    last = variable.rpartition("/")[2]
    name = tied.get(meant, meant)
    if name not in rules:
        role = _ROLES.get(last)
        name = tied.get(f"{meant}.{role}", f"{meant}.{role}")
        if name not in rules:
            said = f"{variable} may be weight or bias of {meant}" if role is None else f"{meant} has no {role}"
            raise ParityError(said, where=where, remedy="name the parameter in full")
    rule = rules[name]
    if (last == "kernel") != (rule.source.rpartition("/")[2] == "kernel") and name.endswith(".weight"):
        raise ParityError(
            f"{variable} cannot stand for {rule.source}",
            where=where,
            got="a kernel, stored [in, out]" if last == "kernel" else "no kernel, stored [out, in]",
            remedy="such a layer is not supported: store it turned, under the name expected",
        )
    return rule


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f"nearest: {' or '.join(close)}" if close else "mend the mapping"
