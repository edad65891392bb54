"""Hypotheses with one number in them: Gauss-Newton on whitened errors, with a standard error from the tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from parity.backends.diagnosis.hypothesis import IS, Change, Hypothesis
from parity.backends.diagnosis.station import Station
from parity.families.suspects import FittedSuspect
from parity.measure.floor import Floats
from parity.tensorfile import Array

_STEPS, _HALVINGS = 12, 8
_SHARE = 0.25
"""Least share of the squared error that a first-order change must explain to be followed further."""
_FOLLOWED = 6
IDENTIFIABLE = 0.1
"""Largest standard error, in units of the difference sought, of a coefficient that is told."""


@dataclass(frozen=True)
class Fit:
    """A hypothesis for every value of a number."""

    make: Callable[[float], Hypothesis]
    usual: float
    step: float
    """What the number is moved by to see how the station answers."""
    least: float = -np.inf
    told: str = "{value} +- {error}"
    """How it is told, with `{value}`, `{error}` and `{usual}`."""
    vague: str = ""
    """How it is told where the number is not identifiable; empty = then it is no cause."""


def fits(station: Station) -> Iterator[Fit]:
    """Numbers of the config that the family suspects, and factors on tensors and stages."""
    for suspect in station.original.family.suspects.fitted:
        usual = float(getattr(station.original.config, suspect.field))
        stages = [name for name, read in station.reads.items() if any(_role(station, n) == suspect.role for n in read)]
        for within in ("", *stages) if len(stages) > 1 else ("",):
            where = f" in {within}" if within else ""

            def config(value: float, suspect: FittedSuspect = suspect, within: str = within) -> Hypothesis:
                subject = (within,) if within else ()
                return Hypothesis(suspect.kind, "", subject, config={suspect.field: value}, within=within)

            told, vague = (text.replace("{where}", where) for text in (suspect.sentence, suspect.vague))
            yield Fit(config, usual, suspect.step, suspect.least, told, vague)
    for stage in station.segment:

        def scaled(value: float, name: str = stage.name) -> Hypothesis:
            return Hypothesis("scale", "", (name,), scale={name: value})

        yield Fit(scaled, 1.0, 1e-4, told="{subject} is {value} +- {error} times what it should be")
    for tensor in station.tensors:

        def times(value: float, name: str = tensor) -> Hypothesis:
            return Hypothesis("scale", "", (name,), {name: Change(lambda w: w * value, local=True)})

        yield Fit(times, 1.0, 1e-4, told="{subject} is {value} +- {error} times what it should be")


def _role(station: Station, name: str) -> str:
    variable = station.tensors.get(name)
    return variable.role if variable else ""


def first_order(station: Station, chosen: Iterable[Fit]) -> Iterator[Fit]:
    """Those that explain enough of the squared error by a small change, best first."""
    base = station.values()
    error = station.white(base)
    shares = [(_share(station, fit, base, error), fit) for fit in chosen]
    ranked = sorted((item for item in shares if item[0] >= _SHARE), key=lambda item: -item[0])
    return (fit for _, fit in ranked[:_FOLLOWED])


def _share(station: Station, fit: Fit, base: list[Array], error: Floats) -> float:
    moved = station.white(station.values(fit.make(fit.usual + fit.step)), base)
    size = float(np.square(moved).sum())
    return float((moved * error).sum()) ** 2 / size / float(np.square(error).sum()) if size > 0 else 0.0


def fitted(station: Station, fit: Fit) -> Hypothesis | None:
    """The hypothesis with the number that leaves the least error; None where the number is nothing but scatter."""
    value = fit.usual
    values = station.values(fit.make(value))
    error = station.white(values)
    for _ in range(_STEPS):
        slope = _slope(station, fit, value, values)
        size, left = float(np.square(slope).sum()), float(np.square(error).sum())
        step = float((slope * error).sum()) / size if size > 0 else 0.0
        for _ in range(_HALVINGS):
            tried = max(value + step, fit.least)
            moved = station.values(fit.make(tried))
            rest = station.white(moved)
            if float(np.square(rest).sum()) < left:
                break
            step /= 2
        else:
            break
        gained = left - float(np.square(rest).sum())
        value, values, error = tried, moved, rest
        if gained < 1e-6 * left:
            break
    slope = _slope(station, fit, value, values)
    size = float(np.square(slope).sum())
    if not size > 0:
        return None
    # Tokens err independently of each other, channels of one token do not; what rounding has in common over all
    # tokens is told by a sound float32 run of the same.
    spread = float(np.sqrt(np.square((slope * error).sum(axis=1)).sum())) / size
    common = float((slope * station.white(station.narrow(fit.make(value)), values)).sum()) / size
    return _told(fit, value, math.hypot(spread, common))


def _slope(station: Station, fit: Fit, value: float, values: list[Array]) -> Floats:
    step = max(fit.step, 1e-3 * abs(value)) if fit.usual == 0 or abs(value) > fit.step else fit.step
    moved = station.values(fit.make(value + step))
    return station.white(moved, values) / step


def _told(fit: Fit, value: float, error: float) -> Hypothesis | None:
    """The number with as many digits as its error leaves; None where it is nothing but scatter."""
    found = replace(fit.make(value), coefficient=value, error=error)
    usual = f"{fit.usual:.6g}"
    if not error <= IDENTIFIABLE * abs(value - fit.usual):
        return replace(found, sentence=fit.vague.format(subject=IS, usual=usual)) if fit.vague else None
    digits = min(9, max(2, math.ceil(math.log10(max(abs(value), error) / error)) + 1)) if error > 0 else 9
    words = {"value": f"{value:.{digits}g}", "error": f"{error:.1g}", "usual": usual}
    return replace(found, sentence=fit.told.format(subject=IS, **words))
