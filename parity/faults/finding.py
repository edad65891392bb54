"""What became of one fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from parity.faults.values import Fault, Verdict

Cause: TypeAlias = Literal["right", "wrong", "unknown", "not identifiable", ""]


@dataclass(frozen=True)
class Seen:
    """What the harness made of it."""

    verdict: Verdict
    first: str = ""
    """The first tap, or the message of a refusal."""
    message: str = ""
    causes: tuple[tuple[str, str], ...] = ()
    """Kind of each named cause, and its subject and sentence."""
    sentence: str = ""
    diagnosed: bool = False
    excess: float | None = None
    """Own error at the first tap over its limit."""
    objections: Mapping[str, bool] = field(default_factory=dict)
    """Usual rules, and whether they object; empty where there is nothing to compare."""


@dataclass(frozen=True)
class Smallest:
    """The smallest of the sizes 1, 1/2, 1/4, ... at which a fault is seen at its tap; half of it is not."""

    t: float
    change: float
    """That size as rms of what changed, in units of the rms of what was there."""


@dataclass(frozen=True)
class Finding:
    """One row of the kill matrix."""

    fault: Fault
    seen: Seen | None
    """None: this model cannot have the fault."""
    place: str
    """Where it was expected, with this model's numbers."""
    smallest: Smallest | None = None
    seconds: float = 0.0

    @property
    def equivalent(self) -> bool:
        """Is this a control, which nothing may claim?"""
        return self.fault.verdict == "equivalent"

    @property
    def caught(self) -> bool:
        """Red, by whatever; a control is never caught."""
        return self.seen is not None and self.seen.verdict != "equivalent"

    @property
    def right(self) -> bool:
        """Came what was expected?"""
        return self.seen is not None and self.seen.verdict == self.fault.verdict

    @property
    def placed(self) -> bool | None:
        """Is the place right? None where there is none to name: not caught, or expected nowhere in particular."""
        if self.seen is None or not self.caught or not self.place:
            return None
        if self.fault.verdict in ("tap", "completeness"):
            return self.seen.first == self.place
        return self.place in self.seen.message

    @property
    def cause(self) -> Cause:
        """What the diagnosis was worth; empty where none was asked for."""
        if self.seen is None or not self.seen.diagnosed:
            return ""
        if not self.seen.causes:
            return "unknown" if self.fault.causes else "not identifiable"
        return "right" if any(self._names(wanted) for wanted in self.fault.causes) else "wrong"

    def _names(self, wanted: str) -> bool:
        kind, _, words = wanted.partition(": ")
        assert self.seen is not None
        return any(kind == named and words in told for named, told in self.seen.causes)

    @property
    def row(self) -> dict[str, Any]:
        """Flat, for CSV and JSON."""
        seen = self.seen
        return {
            "id": self.fault.id,
            "variant": self.fault.variant,
            "what": self.fault.what,
            "expected": self.fault.verdict,
            "expected_place": self.place,
            "expected_causes": "; ".join(self.fault.causes),
            "seen": seen.verdict if seen else "not applicable",
            "caught": self.caught,
            "as_expected": self.right if seen else None,
            "first": seen.first if seen else "",
            "place_right": self.placed,
            "cause": self.cause,
            "sentence": seen.sentence if seen else "",
            "message": seen.message if seen else "",
            "excess": seen.excess if seen else None,
            "smallest_t": self.smallest.t if self.smallest else None,
            "smallest_change": self.smallest.change if self.smallest else None,
            "seconds": round(self.seconds, 2),
            **{f"rule {name}": objects for name, objects in (seen.objections.items() if seen else ())},
        }
