"""Learning merges: the pair of neighbours that is met most often becomes one symbol, again and again."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

Pair = tuple[str, str]
_RARE = 2
"""Pairs met less often are not joined, so that rare words are spelt in pieces, as in a real model."""


def learn(seen: Mapping[tuple[str, ...], int], count: int) -> list[Pair]:
    """At most `count` merges, first learnt first; of pairs met equally often the first in the order of characters.

    Args:
        seen: words as symbols, and how often each was met.
        count: how many merges are wanted; fewer come where no pair is met twice any more.
    """
    words, times = [list(word) for word in seen], list(seen.values())
    met, places = Counter[Pair](), defaultdict[Pair, set[int]](set)
    for number, word in enumerate(words):
        for pair in pairwise(word):
            met[pair] += times[number]
            places[pair].add(number)
    heap = [(-often, pair) for pair, often in met.items()]
    heapq.heapify(heap)
    found: list[Pair] = []
    while heap and len(found) < count:
        often, best = heapq.heappop(heap)
        if -often != met[best]:  # counted anew since, and in the heap a second time
            continue
        if -often < _RARE:
            break
        found.append(best)
        changed: Counter[Pair] = Counter()
        for number in places.pop(best):
            before = words[number]
            words[number] = _joined(before, best)
            for pair in pairwise(before):
                changed[pair] -= times[number]
            for pair in pairwise(words[number]):
                changed[pair] += times[number]
                places[pair].add(number)
        _count(changed, met, heap)
    return found


def _count(changed: Mapping[Pair, int], met: Counter[Pair], heap: list[tuple[int, Pair]]) -> None:
    for pair, more in changed.items():
        if more:
            met[pair] += more
            heapq.heappush(heap, (-met[pair], pair))


def _joined(word: Iterable[str], pair: Pair) -> list[str]:
    """Every occurrence of the pair as one symbol, from the left."""
    found: list[str] = []
    last_joined = False
    for symbol in word:
        if found and not last_joined and (found[-1], symbol) == pair:
            found[-1], last_joined = "".join(pair), True
        else:
            found.append(symbol)
            last_joined = False
    return found
