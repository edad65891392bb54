"""Whether the harness has the power it claims: the measures over a kill matrix, and what is missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parity.faults.finding import Finding

PLACE, CAUSE = 0.95, 0.80


@dataclass(frozen=True)
class Measure:
    """One of them."""

    name: str
    got: str
    wanted: str
    holds: bool
    missed: tuple[str, ...] = ()
    """The faults it is missed by."""


def measures(findings: Sequence[Finding]) -> tuple[Measure, ...]:
    """Judge a kill matrix; faults that this model cannot have are left out."""
    tried = [found for found in findings if found.seen is not None]
    faults = [found for found in tried if not found.equivalent]
    controls = [found for found in tried if found.equivalent]
    found = [_share("caught", [(one, one.caught) for one in faults], 1.0)]
    found.append(_share("caught by what was expected", [(one, one.right) for one in faults], 1.0))
    found.append(_share("equivalents left alone", [(one, not one.caught) for one in controls], 1.0))
    placed = [(one, one.placed is True) for one in faults if one.place]
    found.append(_share("place right", placed, PLACE))
    asked = [(one, one.cause == "right") for one in faults if one.fault.causes]
    found.append(_share("cause right, of those identifiable", asked, CAUSE))
    wrong = [one.fault.name for one in faults if one.cause == "wrong"]
    found.append(Measure("wrong causes named", str(len(wrong)), "0", not wrong, tuple(wrong)))
    return tuple(found)


def _share(name: str, asked: Sequence[tuple[Finding, bool]], wanted: float) -> Measure:
    """A share of what was asked; with nothing to ask there is nothing to hold."""
    right = sum(holds for _, holds in asked)
    missed = tuple(found.fault.name for found, holds in asked if not holds)
    share = right / len(asked) if asked else 1.0
    return Measure(name, f"{right} of {len(asked)} ({share:.1%})", f"{wanted:.0%}", share >= wanted, missed)


def ids(findings: Sequence[Finding]) -> tuple[int, int]:
    """How many numbers of the catalogue were tried, and how many rows."""
    tried = [found for found in findings if found.seen is not None]
    return len({found.fault.id for found in tried if found.fault.id[0] not in "DS"}), len(tried)
