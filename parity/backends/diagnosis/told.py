"""From what explains each station to causes in words: what several stations share is told once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from parity.backends.diagnosis.hypothesis import Hypothesis, several
from parity.backends.diagnosis.original import layer_of, template
from parity.backends.diagnosis.result import Cause
from parity.backends.diagnosis.rows import EDGES
from parity.backends.diagnosis.search import Found
from parity.backends.diagnosis.station import Station

_MOST = 0.9
"""Part of the squared error that a group holds by itself."""
Key: TypeAlias = tuple[str, ...]


def causes(found: Mapping[str, Sequence[Found]], *, layers: int) -> list[list[Cause]]:
    """Causes by what they explain; several in one list are alternatives, each of which explains it.

    Args:
        found: what explains each station, in the order data flows.
        layers: of the model, for the order they were taken in.
    """
    rest, ordered = _reordered(found, layers)
    spread = Counter(key for several_found in rest.values() for key in {_key(one.hypothesis) for one in several_found})
    groups: dict[tuple[Key, ...], dict[Key, list[Found]]] = {}
    for explanations in rest.values():
        # What explains more stations explains this one too: one fault in place of many.
        widest = max(spread[_key(one.hypothesis)] for one in explanations)
        kept = [one for one in explanations if spread[_key(one.hypothesis)] == widest]
        keys = tuple(sorted({_key(one.hypothesis) for one in kept}))
        together = groups.setdefault(keys, defaultdict(list))
        for one in kept:
            together[_key(one.hypothesis)].append(one)
    return [
        *([[ordered]] if ordered else []),
        *([_cause(same) for same in group.values()] for group in groups.values()),
    ]


def _key(hypothesis: Hypothesis) -> Key:
    """What two stations' hypotheses have in common if they are one fault."""
    if hypothesis.kind in ("single-weight", "skipped"):
        return (hypothesis.kind, *hypothesis.subject, hypothesis.sentence)
    if hypothesis.kind in EDGES:
        return (hypothesis.kind, *hypothesis.subject)
    if hypothesis.kind == "low-precision-weights" and len(hypothesis.subject) > 1:
        return (hypothesis.kind, hypothesis.sentence)
    return (hypothesis.kind, hypothesis.sentence, *map(template, hypothesis.subject))


def _cause(same: Sequence[Found]) -> Cause:
    # The last station knows most of where a table ends: a decoder shows every row.
    hypothesis, taps = same[-1].hypothesis, tuple(dict.fromkeys(one.station for one in same))
    subject = tuple(dict.fromkeys(name for one in same for name in one.hypothesis.subject))
    # One tensor may explain several stations of its own layer.
    alike = len({one.hypothesis.subject for one in same}) == 1
    named = subject if alike else tuple(dict.fromkeys(map(template, subject)))
    sentence = hypothesis.sentence.replace("{subject}", several(named))
    where = f" (at {_places(taps)})"
    return Cause(
        hypothesis.kind,
        subject,
        sentence + where,
        before=max(one.before for one in same),
        after=max(one.after for one in same),
        stations=taps,
        coefficient=hypothesis.coefficient,
        error=hypothesis.error,
    )


def _places(taps: Sequence[str]) -> str:
    """Stations, runs of layers cut short."""
    runs: list[list[str]] = []
    for tap in taps:
        last = runs[-1][-1] if runs else None
        follows = last is not None and template(last) == template(tap) != tap
        if follows and (layer_of(tap) or 0) == (layer_of(last or "") or 0) + 1:
            runs[-1].append(tap)
        else:
            runs.append([tap])
    told = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs]
    return ", ".join(told)


def _reordered(found: Mapping[str, Sequence[Found]], layers: int) -> tuple[dict[str, Sequence[Found]], Cause | None]:
    """Layers that have each other's weights are one fault: their order."""
    whole = {tap: [one for one in each if one.hypothesis.kind == "other-layer"] for tap, each in found.items()}
    taken: dict[int, tuple[int, Found]] = {}
    for tap, each in whole.items():
        here = layer_of(tap)
        if here is not None and each:
            source = next(iter(each[0].hypothesis.weights.values())).source
            taken[here] = (layer_of(source) or 0, each[0])
    if len(taken) < 2:
        return dict(found), None
    order = [taken[i][0] if i in taken else i for i in range(layers)]
    letters = sorted(range(layers), key=str)
    alike = all(letters[i] == there for i, (there, _) in taken.items())
    if alike and order == letters:
        sentence = f"the layers are in the order of their names' letters ({', '.join(map(str, letters))})"
    else:
        pairs = ", ".join(f"layer {i} has those of layer {there}" for i, (there, _) in sorted(taken.items()))
        sentence = f"the layers' weights are in another order: {pairs}"
    members = [one for _, one in taken.values()]
    taps = tuple(one.station for one in members)
    before, after = max(one.before for one in members), max(one.after for one in members)
    rest = {tap: each for tap, each in found.items() if tap not in taps}
    return rest, Cause("layer-order", taps, sentence, before, after, taps)


def smallest(station: Station) -> str:
    """The smallest group that holds nearly all of a station's error, in words."""
    squares = np.square(station.white(station.values()))
    if not np.isfinite(squares).all():
        return "values that are not finite"
    total = float(squares.sum())
    channels, tokens = squares.sum(axis=0), squares.sum(axis=1)
    owners = [(p.name, p.rows[row], tuple(at)) for p in station.pieces for row, *at in np.argwhere(p.judged)]
    rows = defaultdict[tuple[str, int], float](float)
    for (name, row, _), square in zip(owners, tokens, strict=True):
        rows[name, row] += float(square)
    token = int(tokens.argmax())
    if tokens[token] >= _MOST * total and len(tokens) > 1:
        name, row, at = owners[token]
        return f"row {row}{''.join(f', position {int(i)}' for i in at)} of batch {name}"
    if channels.max() >= _MOST * total and len(channels) > 1:
        return f"channel {int(channels.argmax())}"
    (name, row), most = max(rows.items(), key=lambda item: item[1])
    if most >= _MOST * total and len(rows) > 1:
        return f"row {row} of batch {name}"
    return "the whole"
