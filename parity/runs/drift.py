"""Drift limits: what sound runs of each runtime have shown so far, well below what parity allows.

`numerics.md`, "Two limits": the parity limit decides; going beyond 1.25 times the largest excess that calibration saw
warns that a runtime's rounding changed (a new version, another processor). With n sound runs behind it, the next sound
run exceeds their maximum with probability at most 1/(n+1) (split conformal prediction, exchangeable runs).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from parity.backends.outcome import Outcome
from parity.errors import ParityError
from parity.measure.station import Station
from parity.models.cache import cache_root
from parity.runs.environment import environment

FORMAT: Final = 1
MARGIN: Final = 1.25
"""What a drift limit lies above the largest excess of its calibration."""


@dataclass(frozen=True)
class Drift:
    """What calibration saw of one runtime in one version on one processor."""

    runtime: str
    version: str
    cpu: str
    runs: int
    largest: float
    """Largest of all ratios in units of their limits."""
    where: str
    """The station it was at."""

    @property
    def limit(self) -> float:
        """The excess that warns."""
        return MARGIN * self.largest

    @property
    def rate(self) -> str:
        """What n sound runs say of false alarms."""
        return f"n = {self.runs}: rate below {3 / self.runs:.2g}, next run {1 / (self.runs + 1):.2g}"


def excess(station: Station) -> float | None:
    """How near to its limit a station is, accumulated or own; None where nothing was judged."""
    found = [judgement.excess for judgement in station.judgements.values() if judgement.findings]
    return max(found) if found else None


def observe(outcome: Outcome, runs: Sequence[Mapping[str, Station]]) -> Drift | None:
    """What sound runs of one runtime show; None where none of them could be judged.

    Raises:
        ParityError: one of them is not sound: it calibrates nothing.
    """
    seen: list[tuple[float, str]] = []
    for stations in runs:
        red = next((station for station in stations.values() if station.status in ("fail", "unjudged")), None)
        if red is not None:
            raise ParityError(
                "a run that is not sound calibrates nothing",
                where=outcome.job.name,
                got=f"{red.tap} {red.status}: {red.message}",
                remedy="see `parity run` first",
            )
        values = [(value, tap) for tap, station in stations.items() if (value := excess(station)) is not None]
        seen += [max(values)] if values else []
    if not seen:
        return None
    largest, where = max(seen)
    return Drift(outcome.job.name, version(outcome), _cpu(), len(seen), largest, where)


def version(outcome: Outcome) -> str:
    """The runtime's version, as it says itself."""
    return outcome.describe.get("version", "")


def warning(drifts: Iterable[Drift], outcome: Outcome, stations: Mapping[str, Station]) -> str | None:
    """What is to be said of a sound run that rounds more than calibration saw; None if nothing.

    Other versions and processors are compared too: that is what a drift limit is for.
    """
    known = [drift for drift in drifts if drift.runtime == outcome.job.name]
    values = [(value, tap) for tap, station in stations.items() if (value := excess(station)) is not None]
    if not known or not values:
        return None
    largest, where = max(values)
    drift = max(known, key=lambda one: (one.version == version(outcome), one.cpu == _cpu(), one.runs))
    if largest <= drift.limit:
        return None
    changed = [
        f"{what} was {then}, is {now}"
        for what, then, now in (("version", drift.version, version(outcome)), ("processor", drift.cpu, _cpu()))
        if then != now
    ]
    told = f"rounding behaviour changed: {where} lies at {largest:.2f} of its limit, calibration ({drift.rate}) saw at "
    return f"{told}most {drift.largest:.2f}, times {MARGIN} is {drift.limit:.2f}" + "".join(
        f"; {one}" for one in changed
    )


def default_file(model: str, scale: str) -> Path:
    """Where `parity calibrate` leaves its limits unless told otherwise, and runs look for them."""
    return cache_root() / "drift" / f"{model}-{scale}.json"


def write(path: Path, drifts: Sequence[Drift]) -> None:
    """Write limits beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "drifts": [asdict(drift) for drift in drifts]}, indent=1, ensure_ascii=False)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> tuple[Drift, ...]:
    """Limits that `write` left.

    Raises:
        ParityError: unreadable, or no such file.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise ParityError("drift limits of another format", where=path, got=raw["format"], expected=FORMAT)
        return tuple(Drift(**one) for one in raw["drifts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParityError(
            f"not readable as drift limits: {error}", where=path, remedy="write it with `parity calibrate`"
        ) from error


def _cpu() -> str:
    return str(environment()["cpu"])
