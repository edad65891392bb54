"""What a run is asked to do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from parity.errors import ParityError

Scale = Literal["full", "small", "tiny"]
Profile = Literal["ci", "nightly"]


def default_threads() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of `pytest suites/` and `parity run`, as one value that travels to xdist workers."""

    scale: Scale = "full"
    """Of stand-ins; weights that are present keep their size."""
    backends: tuple[str, ...] = ()
    """Runtimes asked for by name; empty = all standard ones. A missing one is red if named, a skip if not."""
    precisions: tuple[str, ...] = ()
    """Keep only runtimes that claim one of these."""
    taps: tuple[str, ...] = ()
    """Globs over tap names; empty = every station."""
    inputs: str = "small"
    """`small`, `large`, or an INPUTS file."""
    texts: Path | None = None
    """A file of the user's own sentences."""
    threads: int = field(default_factory=default_threads)
    timeout_s: float = 900.0
    """Of one batch in one runtime."""
    memory_limit: int = 0
    """Bytes a worker may hold; 0 = no limit."""
    in_process: bool = False
    python: Mapping[str, str] = field(default_factory=dict)
    """Interpreters by backend."""
    examples: int | None = None
    """Generated examples of each search; None = as many as the profile says."""
    profile: Profile = "ci"
    """`ci`: few examples, always the same ones. `nightly`: many, by a seed that is printed."""
    seed: int | None = None
    """For the search that a nightly run printed."""
    drift: Path | None = None
    """Drift limits that `parity calibrate` wrote; None looks into the cache."""
    report: Path | None = None
    """Folder of the run; None picks `reports/<time>-<models>`."""

    def to_plain(self) -> dict[str, Any]:
        """As JSON-ready values."""
        paths = {name: str(path) if (path := self.__dict__[name]) else None for name in _PATHS}
        return {**self.__dict__, **paths, "python": dict(self.python)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> RunOptions:
        """The inverse of `to_plain`."""
        paths = {name: Path(values[name]) if values[name] else None for name in _PATHS}
        tuples = {name: tuple(values[name]) for name in ("backends", "precisions", "taps")}
        return cls(**{**values, **tuples, **paths})


_PATHS = ("texts", "drift", "report")


def interpreters(given: Sequence[str] | None) -> dict[str, str]:
    """`NAME=PATH` options as a mapping.

    Raises:
        ParityError: not of that form, or no such file.
    """
    found: dict[str, str] = {}
    for text in given or ():
        name, _, path = text.partition("=")
        if not path or not Path(path).is_file():
            raise ParityError("--python wants NAME=PATH of an interpreter", got=text)
        found[name] = path
    return found
