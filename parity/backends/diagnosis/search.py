"""The search of one station: cheap hypotheses first, and only those that survive get a floor of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations

import numpy as np

from parity.backends.diagnosis.arithmetic import LARGEST, emulations
from parity.backends.diagnosis.catalogue import hypotheses
from parity.backends.diagnosis.elements import elements, fit_of
from parity.backends.diagnosis.fits import Fit, first_order, fits, fitted
from parity.backends.diagnosis.hypothesis import Hypothesis, join
from parity.backends.diagnosis.rows import edges, moved_rows
from parity.backends.diagnosis.station import Station
from parity.measure.judgement import Judgement

NEAR = 30.0
"""Excess over the limit, by the unaltered floor, up to which a hypothesis gets a floor of its own."""
TOKENS = 100
"""Judged positions that hypotheses are screened on, about; what survives is screened again on the whole sample."""
SCREENED = 24
"""Of those, how many."""
SHARPER = 10.0
"""So does one of the best that divides the excess by this."""
PAIRED = 16
"""Of the best hypotheses, how many are tried together."""
VERIFIED = 8
"""Hypotheses of a stage of the search that get a floor of their own."""
CLEARLY = 0.7
"""A cause leaves at most this part of the excess it explains: what is just above its limit sinks below it by chance."""


@dataclass(frozen=True)
class Found:
    """A hypothesis that explains a station."""

    hypothesis: Hypothesis
    station: str
    before: float
    after: float


class Search:
    """What was tried on one station, and what it found."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.judgement: Judgement = station.judge(station.values())
        self.before = station.excess(self.judgement)
        self.tried = 0
        self._screened: list[tuple[float, Hypothesis]] = []

    @cached_property
    def _coarse(self) -> Search:
        """The worst rows, where they show the fault by themselves."""
        part = Search(self.station.part(TOKENS))
        return part if part.guilty else self

    @property
    def guilty(self) -> bool:
        """The sample shows that the station's own error is beyond its limit."""
        return self.judgement.status == "fail"

    def run(self, earlier: Sequence[Hypothesis], *, whole: bool = True) -> list[Found]:
        """The causes that explain the station.

        What has no number is tried before what has one: a factor of 0 would explain a bias that is dropped.

        Args:
            earlier: what explained stations before it.
            whole: try everything if those do not explain it.
        """
        if not np.isfinite(self.before):
            return []
        kinds = {hypothesis.kind for hypothesis in earlier}
        again: tuple[Callable[[], list[Found]], ...] = (
            lambda: self._verify([*earlier, *edges(self.station, earlier)]),
            lambda: self._arithmetic() if "low-precision-arithmetic" in kinds else [],
            lambda: self._discrete(kinds),
            lambda: self._fitted(_factors) if "scale" in kinds else [],
        )
        anew: tuple[Callable[[], list[Found]], ...] = (
            self._numbers,
            lambda: self._discrete(None),
            lambda: self._verify(moved_rows(self.station)),
            lambda: self._fitted(_factors),
            self._elements,
            self._arithmetic,
            self._pairs,
        )
        for step in (*again, *anew) if whole else again:
            found = step()
            if found:
                return found
        return []

    def _discrete(self, kinds: Collection[str] | None) -> list[Found]:
        """Those of the kinds that explained earlier stations, or all."""
        if kinds is not None and not kinds:
            return []
        chosen = (h for h in hypotheses(self.station) if kinds is None or h.kind in kinds)
        return self._verify(chosen, keep=kinds is None)

    def _numbers(self) -> list[Found]:
        """Numbers of the config. A small change of one may look like a factor: those are then named beside it."""
        found = self._fitted(_of_config)
        return [*found, *self._fitted(_factors)] if found else []

    def _fitted(self, wanted: Callable[[Fit], bool]) -> list[Found]:
        chosen = [fit for fit in fits(self.station) if wanted(fit)]
        self.tried += len(chosen)
        return self._follow(chosen if wanted is _of_config else first_order(self._coarse.station, chosen))

    def _elements(self) -> list[Found]:
        chosen = [fit_of(self.station, element) for element in elements(self.station)]
        self.tried += len(chosen)
        return self._follow(first_order(self._coarse.station, chosen))

    def _follow(self, chosen: Iterable[Fit]) -> list[Found]:
        return self._verify([found for fit in chosen if (found := fitted(self.station, fit)) is not None], count=False)

    def _arithmetic(self) -> list[Found]:
        found = []
        for emulated in emulations(self.station):
            self.tried += 1
            if emulated.holds:
                cause = Hypothesis(
                    "low-precision-arithmetic",
                    emulated.sentence,
                    (emulated.subject,),
                    coefficient=emulated.coefficient,
                    error=emulated.error,
                )
                found.append(Found(cause, self.station.tap, self.before, emulated.ratio / LARGEST))
        return found

    def _pairs(self) -> list[Found]:
        """The hypothesis that helps most with each of the others, and the better ones with each other."""
        if not self._screened:
            return []
        ranked = [hypothesis for _, hypothesis in self._screened]
        pairs = chain(((ranked[0], other) for other in ranked[1:]), combinations(ranked[1:PAIRED], 2))
        return self._verify(joined for one, other in pairs if (joined := join(one, other)) is not None)

    def _verify(self, tried: Iterable[Hypothesis], *, keep: bool = False, count: bool = True) -> list[Found]:
        """Run hypotheses; those that come near get a floor of their own, and the limit decides."""
        applying = [hypothesis for hypothesis in tried if self.station.applies(hypothesis)]
        self.tried += len(applying) if count else 0
        if len(applying) > VERIFIED or keep:
            screened = self._coarse.screened(applying)
            if keep:
                self._screened = screened
            applying = self._coarse.near(screened)[:SCREENED]
        helpful = self.near(self.screened(applying))[:VERIFIED]
        return [found for hypothesis in helpful if (found := self._explains(hypothesis)) is not None]

    def screened(self, hypotheses: Iterable[Hypothesis]) -> list[tuple[float, Hypothesis]]:
        """What each leaves of the excess by the unaltered floor, least first."""
        with np.errstate(all="ignore"):
            station = self.station
            found = [(station.excess(station.judge(station.values(tried))), tried) for tried in hypotheses]
        return sorted(found, key=lambda item: item[0])

    def near(self, screened: Iterable[tuple[float, Hypothesis]]) -> list[Hypothesis]:
        """Those that leave so little that a floor of their own may hold it."""
        return [
            hypothesis
            for excess, hypothesis in screened
            if excess <= CLEARLY * self.before and (excess <= NEAR or excess <= self.before / SHARPER)
        ]

    def _explains(self, hypothesis: Hypothesis) -> Found | None:
        with np.errstate(all="ignore"):
            floors = self.station.floors_of(hypothesis)
            judgement = self.station.judge(self.station.values(hypothesis), floors)
        after = self.station.excess(judgement)
        if judgement.status != "pass" or not after <= CLEARLY * self.before:
            return None
        return Found(hypothesis, self.station.tap, self.before, after)


def _of_config(fit: Fit) -> bool:
    return bool(fit.make(fit.usual).config)


def _factors(fit: Fit) -> bool:
    return not _of_config(fit)
