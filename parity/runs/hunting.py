"""Hypothesis looks for an example that breaks something, drives the worst ratios up, and shrinks what it finds.

Several parties are examined by each example; each that breaks gets the shortest example of its own.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from parity.inputs.strategies import require
from parity.models.cache import cache_root
from parity.runs.options import RunOptions

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
_DRIVEN = 40
"""Examples from which on a search is driven up; it spends half of them on that."""


@dataclass(frozen=True)
class Look:
    """What one example showed of one party."""

    broken: bool
    score: float = 0.0
    """What the search drives up; at most 1 for whoever is sound. Not finite: the search ignores it."""


@dataclass(frozen=True)
class Plan:
    """How to search."""

    examples: int
    seed: int | None
    """None: always the same examples."""
    memory: str = ""
    """Under which name failing examples are remembered for the next run, and tried first; empty: they are not."""

    @classmethod
    def of(cls, options: RunOptions, examples: int, memory: str) -> Plan:
        """As the profile says: `ci` always the same, `nightly` by a seed drawn now; or by the seed that is given."""
        count = options.examples or examples
        if options.seed is not None or options.profile == "ci":
            return cls(count, options.seed)
        return cls(count, secrets.randbits(32), memory)

    @property
    def told(self) -> str:
        """The seed, for messages."""
        return "" if self.seed is None else f", --seed {self.seed}"


@dataclass(frozen=True)
class Hunt(Generic[T]):
    """What a search came to."""

    shortest: Mapping[str, T]
    """Of each party that breaks, the shortest example that does it."""
    first: Mapping[str, int]
    """How many examples it took to break each of them."""
    examples: int
    """Different examples that were looked at before anything was shrunk."""


def hunt(
    parts: Sequence[tuple[int, SearchStrategy[T]]],
    look: Callable[[T], Mapping[str, Look]],
    *,
    size: Callable[[T], tuple[object, ...]],
    plan: Plan,
) -> Hunt[T]:
    """Search.

    Args:
        parts: strategies of examples, each with its share of the search. Hypothesis dwells on what it has begun with:
            in a search of thirty examples one strategy of all kinds would leave out whole kinds.
        look: examines one example; by party. It answers the same example alike.
        size: by which two examples of one party are compared where hypothesis has not shrunk either.
        plan: how long and from where.

    Raises:
        MissingRuntime: hypothesis is not installed. Whatever `look` raises passes through.
    """
    require()
    search = _Search(look, size)
    whole = sum(share for share, _ in parts)
    for number, (share, strategy) in enumerate(parts):
        examples = max(1, round(plan.examples * share / whole))
        search.run(strategy, replace(plan, examples=examples, memory=plan.memory and f"{plan.memory}-{number}"))
    return Hunt({**search.smallest, **search.shortest}, search.first, search.examples)


class _Search(Generic[T]):
    """What has been found so far; a party that broke in one part is left alone in the next ones."""

    def __init__(self, look: Callable[[T], Mapping[str, Look]], size: Callable[[T], tuple[object, ...]]) -> None:
        self._look, self._size = look, size
        self.smallest: dict[str, T] = {}
        self.shortest: dict[str, T] = {}
        self.first: dict[str, int] = {}
        self.examples = 0
        self._counts = True

    def run(self, strategy: SearchStrategy[T], plan: Plan) -> None:
        """Search one part."""
        before, self._counts = frozenset(self.smallest), True
        wanted: Collection[str] | None = None
        while wanted is None or wanted:
            raised = _round(strategy, lambda example: self._examine(example, before), wanted, plan)
            self.shortest |= raised
            # Whoever always breaks together with another was hidden behind it.
            wanted = set(self.smallest) - set(self.shortest) - before if raised else ()

    def _examine(self, example: T, before: Collection[str]) -> Collection[str]:
        found = self._look(example)
        broken = [party for party, one in found.items() if one.broken and party not in before]
        self.examples += self._counts
        self._counts &= not broken  # from then on hypothesis shrinks
        for party in broken:
            self.first.setdefault(party, self.examples)
            if party not in self.smallest or self._size(example) < self._size(self.smallest[party]):
                self.smallest[party] = example
        _drive(found)
        return broken


def _drive(found: Mapping[str, Look]) -> None:
    from hypothesis import target

    for party, one in found.items():
        if math.isfinite(one.score):
            target(one.score, label=party)


def _round(
    strategy: SearchStrategy[T], examine: Callable[[T], Collection[str]], wanted: Collection[str] | None, plan: Plan
) -> dict[str, T]:
    """One search; returns the shrunk example of every party that it told apart."""
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
    from hypothesis.database import DirectoryBasedExampleDatabase

    kinds: dict[str, type[_Broken]] = {}
    last: dict[str, T] = {}

    def body(example: T) -> None:
        for party in examine(example):
            if wanted is None or party in wanted:
                last[party] = example
                # Hypothesis tells failures apart by their type and shrinks each by itself.
                raise kinds.setdefault(party, type("Broken", (_Broken,), {}))(party)

    home = cache_root() / "hypothesis"
    configured = settings(
        max_examples=plan.examples,
        derandomize=plan.seed is None,
        database=DirectoryBasedExampleDatabase(home / "examples" / plan.memory) if plan.memory else None,
        deadline=None,
        phases=[Phase.reuse, Phase.generate, Phase.shrink, *([Phase.target] if plan.examples >= _DRIVEN else [])],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=True,
        print_blob=False,
    )
    test = given(strategy)(body)
    if plan.seed is not None:
        test = seed(plan.seed)(test)
    test = configured(test)  # after the seed, which would take the memory away
    with _home(home):
        try:
            test()
        except* _Broken:
            pass
    return last


class _Broken(Exception):
    """This party breaks."""


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Let hypothesis keep its tables there, and not wherever the run was started."""
    from hypothesis import configuration

    before = configuration.storage_directory(intent_to_write=False).home_directory
    configuration.set_hypothesis_home_dir(folder)
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(before)
