"""What a diagnosis answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Cause:
    """A hypothesis that brought the own error of its stations within the limit of its own floor."""

    kind: str
    """Short id: `untransposed`, `swapped`, `bias-dropped`, `epsilon`, ..."""
    subject: tuple[str, ...]
    """The checkpoint's names of tensors, or stages; empty where it is about neither."""
    sentence: str
    """What is wrong, in words."""
    before: float
    """Own error over its limit as found: the worst ratio of any station it explains."""
    after: float
    """The same with the hypothesis in place, over its own floor's limit."""
    stations: tuple[str, ...]
    """What it explains."""
    coefficient: float | None = None
    error: float | None = None
    """Standard error of the coefficient, from the tokens."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Diagnosis:
    """Why a runtime deviates, as far as running what may be wrong can tell."""

    causes: tuple[Cause, ...]
    station: str | None
    """The first guilty one; None where nothing was found to be guilty."""
    group: str | None
    """Where the first unexplained station shows it: the smallest group; None where everything is explained."""
    unexplained: tuple[str, ...]
    """Guilty stations that no hypothesis explains."""
    passed_over: tuple[str, ...]
    """Those among them that were only asked whether they have what explains others: enough were searched in vain."""
    tried: int
    """Hypotheses that were run."""
    sentence: str
    """The end of a failure's message."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "causes": [cause.as_dict() for cause in self.causes]}
