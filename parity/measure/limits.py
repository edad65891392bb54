"""How far a sound float32 run may lie above its floor: a tail bound, with nothing in it that was fitted to a tap.

If a group's squared error over (kappa F)^2 is dominated by chi-square with v degrees of freedom over v, then the
probability that any of G groups exceeds its limit is at most alpha (Laurent & Massart 2000, Lemma 1, and the union
bound). The floor is itself estimated from m seeds: v counts as v m / (m + 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from parity.measure.floor import Floats, Floor

KAPPA: Final = 1.5
"""What libraries may lie above textbook float32."""
ALPHA: Final = 1e-3
"""Probability of a false alarm per kind of group and run."""
TOKEN_FREEDOM: Final = 2
"""Degrees of freedom of a token: one error of the norm's scale is common to all its channels."""
CHANNEL_FREEDOM: Final = 128
"""Most degrees of freedom of a channel: the order in which a library sums its terms is common to all tokens."""
LEAST_POSITIONS: Final = 8
"""Fewest positions on which channels are judged."""
LEAST_SOURCE: Final = 0.1
"""Least noise ratio of a source whose floor is credible."""


def limit(groups: int, freedom: float, *, seeds: int) -> float:
    """Largest ratio of any of `groups` groups with `freedom` degrees of freedom, against a floor of `seeds` seeds."""
    return float(_limits(groups, np.array([freedom]), seeds)[0])


def _limits(groups: int, freedom: Floats, seeds: int) -> Floats:
    surprise = math.log(groups / ALPHA)
    share = surprise / (freedom * (seeds / (seeds + 1)))
    limits: Floats = KAPPA * np.sqrt(1 + 2 * np.sqrt(share) + 2 * share)
    return limits


@dataclass(frozen=True)
class Groups:
    """How many groups of each kind a run judges, over all its stations that are not exact."""

    whole: int
    channel: int
    token: int
    row: int

    @classmethod
    def of(cls, floors: Iterable[Floor]) -> Groups:
        """Count what will be judged: no channels below eight positions, no tokens where there is only one."""
        judged = [floor for floor in floors if floor.rms > 0]
        return cls(
            whole=len(judged),
            channel=sum(floor.width for floor in judged if floor.positions >= LEAST_POSITIONS),
            token=sum(floor.positions for floor in judged if floor.positions > 1),
            row=sum(floor.rows for floor in judged),
        )


@dataclass(frozen=True)
class Limits:
    """The limits of one station in a run."""

    groups: Groups
    positions: int
    seeds: int
    freedom: float = math.inf
    """Of a channel, as its floor shows it."""

    @classmethod
    def of(cls, groups: Groups, floor: Floor) -> Limits:
        """Those of a floor's station."""
        return cls(groups, floor.positions, floor.seeds, floor.freedom)

    @property
    def whole(self) -> float:
        """Of the noise ratio."""
        return limit(self.groups.whole, self.positions, seeds=self.seeds)

    @property
    def channel(self) -> float | None:
        """Of every channel; None where they are reported only."""
        if self.positions < LEAST_POSITIONS:
            return None
        freedom = min(self.positions, CHANNEL_FREEDOM, self.freedom)
        return limit(self.groups.channel, freedom, seeds=self.seeds)

    @property
    def token(self) -> float | None:
        """Of every token; None where there is only one."""
        return limit(self.groups.token, TOKEN_FREEDOM, seeds=self.seeds) if self.positions > 1 else None

    def rows(self, tokens: Floats) -> Floats:
        """Of every row, by its number of tokens."""
        return _limits(self.groups.row, tokens, self.seeds)
