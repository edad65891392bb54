"""Where the time went: by stage, by runtime, and how much of it is the harness's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from parity.events import Row
from parity.report.text import number


@dataclass(frozen=True)
class Spent:
    """Wall and processor time in seconds, and the largest resident memory in bytes."""

    wall_s: float
    cpu_s: float | None
    peak_rss: float | None


@dataclass(frozen=True)
class Stage:
    """One stage of the run. `share` of the run's wall time; shares of stages that overlap exceed 1 together."""

    name: str
    own: bool
    spent: Spent
    share: float | None


@dataclass(frozen=True)
class Ledger:
    """The run's time. Both tables keep the order of the run."""

    elapsed_s: float | None
    stages: tuple[Stage, ...]
    own: Spent
    own_share: float | None
    workers: Mapping[tuple[str, str], Mapping[str, Spent]]
    """(model, backend) -> stage -> time."""

    @property
    def worker_stages(self) -> list[str]:
        """The stages that any runtime went through, in order."""
        return list(dict.fromkeys(stage for spent in self.workers.values() for stage in spent))

    def peak(self, who: tuple[str, str]) -> float | None:
        """The largest memory of one runtime, in bytes."""
        return max((spent.peak_rss for spent in self.workers[who].values() if spent.peak_rss is not None), default=None)


def ledger(rows: Iterable[Row], elapsed_s: float | None) -> Ledger:
    """Sum the `time` events of a run."""
    rows = list(rows)
    names = dict.fromkeys((str(row["stage"]), bool(row["own"])) for row in rows)

    def share(spent: Spent) -> float | None:
        return spent.wall_s / elapsed_s if elapsed_s else None

    stages = []
    for name, own in names:
        spent = _sum(row for row in rows if (row["stage"], row["own"]) == (name, own))
        stages.append(Stage(name, own, spent, share(spent)))
    own_time = _sum(row for row in rows if row["own"])
    workers: dict[tuple[str, str], dict[str, Spent]] = {}
    for who in dict.fromkeys((row["model"] or "", row["backend"]) for row in rows if row["backend"] is not None):
        theirs = [row for row in rows if (row["model"] or "", row["backend"]) == who]
        stages_here = dict.fromkeys(str(row["stage"]) for row in theirs)
        workers[who] = {stage: _sum(row for row in theirs if row["stage"] == stage) for stage in stages_here}
    return Ledger(elapsed_s, tuple(stages), own_time, share(own_time), workers)


def _sum(rows: Iterable[Row]) -> Spent:
    rows = list(rows)
    cpu = [value for row in rows if (value := number(row["cpu_s"])) is not None]
    peaks = [value for row in rows if (value := number(row["peak_rss"])) is not None]
    return Spent(sum(row["wall_s"] for row in rows), sum(cpu) if cpu else None, max(peaks, default=None))
