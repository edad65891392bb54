"""Hypothesis looks for an example that breaks something, drives the worst ratios up, and shrinks what it finds.

Several parties are examined by each example; each that breaks gets the shortest example of its own.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from parity.inputs.strategies import require
from parity.models.cache import cache_root
from parity.runs.options import RunOptions

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


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
    strategy: SearchStrategy[T],
    look: Callable[[T], Mapping[str, Look]],
    *,
    size: Callable[[T], tuple[object, ...]],
    plan: Plan,
) -> Hunt[T]:
    """Search.

    Args:
        strategy: of the examples.
        look: examines one example; by party. It answers the same example alike.
        size: by which two examples of one party are compared where hypothesis has not shrunk either.
        plan: how long and from where.

    Raises:
        MissingRuntime: hypothesis is not installed. Whatever `look` raises passes through.
    """
    require()
    smallest: dict[str, T] = {}
    first: dict[str, int] = {}
    shortest: dict[str, T] = {}
    seen = 0

    def examine(example: T) -> Collection[str]:
        nonlocal seen
        found = look(example)
        seen += not first
        broken = [party for party, one in found.items() if one.broken]
        for party in broken:
            first.setdefault(party, max(seen, 1))
            if party not in smallest or size(example) < size(smallest[party]):
                smallest[party] = example
        _drive(found)
        return broken

    pending: set[str] | None = None
    while pending is None or pending:
        raised = _round(strategy, examine, pending, plan)
        shortest |= raised
        # Whoever always breaks together with another was hidden behind it.
        hidden = set(smallest) - set(shortest)
        pending = hidden if raised else set()
    return Hunt({**smallest, **shortest}, first, seen)


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
        phases=[Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
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
