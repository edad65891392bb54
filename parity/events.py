"""What happened in a run, as it happened: one JSON object a line, one file per process, nothing finished is lost.

Every report is derived from these files alone. A process only ever appends to its own `events-<pid>.jsonl`, so that
xdist workers and a crashed run need no coordination: reading merges the files by time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import NoneType, TracebackType, UnionType
from typing import Any, Self, TextIO

from parity.errors import ParityError

Row = Mapping[str, Any]

_WHO = {"model": str, "backend": str, "precision": str}
_MAYBE_TEXT = str | None
_NUMBER = int | float
_MAYBE_NUMBER = int | float | None
_MODEL = {"model": str, "family": str, "stand_in": bool, "note": _MAYBE_TEXT, "head": _MAYBE_TEXT, "card": _MAYBE_TEXT}
_BATCH = {"name": str, "rows": int, "length": int, "real_tokens": int, "kind": _MAYBE_TEXT}
_COUNT = {**dict.fromkeys(("subject", "name", "measure"), str), "value": _NUMBER}
_UNSEEN = {"what": str, "count": int, "why": str}
_PLACE = {"batch": str, "row": int | None, "position": int | None, "channel": int | None}
_VALUES = dict.fromkeys(("candidate", "source", "oracle"), _MAYBE_NUMBER)
_WORST = _PLACE | {"token": _MAYBE_TEXT, "text": _MAYBE_TEXT} | _VALUES

_ABSENT = object()

STATUSES = frozenset(("pass", "fail", "skip", "report"))
"""What a verdict may be. `report`: measured and shown, not judged."""

KINDS: Mapping[str, Mapping[str, Any]] = {
    "run": {
        **dict.fromkeys(("id", "started", "command", "parity", "scale"), str),
        "models": [_MODEL],
        "inputs": [{"model": str, "digest": str, "real_tokens": int, "batches": [_BATCH]}],
        "environment": {"versions": dict},
    },
    "coverage": {"model": str, "counts": [_COUNT], "unseen": [_UNSEEN], "problem": _MAYBE_TEXT},
    "plan": {**_WHO, "taps": [str], "comparisons": int},
    "skip": {**_WHO, "tap": _MAYBE_TEXT, "batch": _MAYBE_TEXT, "reason": str, "remedy": _MAYBE_TEXT, "count": int},
    "deviation": {**_WHO, "batch": str, "tap": str, "metrics": dict},
    "verdict": {
        **_WHO,
        "question": str,
        "tap": _MAYBE_TEXT,
        "status": STATUSES,
        "value": _MAYBE_NUMBER,
        "limit": _MAYBE_NUMBER,
        "message": _MAYBE_TEXT,
        "worst": (NoneType, _WORST),
    },
    "warning": {**_WHO, "message": str},
    "time": {
        "stage": str,
        "model": _MAYBE_TEXT,
        "backend": _MAYBE_TEXT,
        "wall_s": _NUMBER,
        "cpu_s": _MAYBE_NUMBER,
        "peak_rss": _MAYBE_NUMBER,
        "own": bool,
    },
    "crash": {**_WHO, "status": str, "reason": str, "stderr_tail": str},
    "finish": {"finished": str, **dict.fromkeys(("exit_status", "expected", "done", "skipped", "deselected"), int)},
}
"""Every kind of event and what its fields must be: a type, one of some words, a list of one thing, an object with (at
least) these fields, or a choice in a tuple. `EventLog` adds `event`, `at` (seconds since 1970, UTC) and `pid`."""


class EventLog:
    """Appends events to this process's own file; a line is whole and handed to the system before `write` returns.

    `listener`, if any, is given each row after it is written (live progress). Safe between threads and after a fork.
    """

    def __init__(self, folder: Path, *, listener: Callable[[Row], None] | None = None) -> None:
        self.folder, self._listener = folder, listener
        self._file: TextIO | None = None
        self._pid, self._last, self._lock = 0, 0.0, Lock()

    def write(self, kind: str, /, **fields: Any) -> Row:
        """Append one event and return it as a reader will see it. NumPy numbers and paths are taken as they are.

        Raises:
            ValueError: no such kind of event, or a field is missing or of the wrong type (a mistake in the caller).
        """
        with self._lock:
            self._last = max(self._last, time.time())
            line = json.dumps({"event": kind, "at": self._last, "pid": os.getpid(), **fields}, default=_plain)
            row: Row = json.loads(line)
            if flaw := _flaw(row):
                raise ValueError(flaw)
            self._open().write(line + "\n")
        if self._listener is not None:
            self._listener(row)
        return row

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> TextIO:
        if self._file is None or self._pid != os.getpid():  # another pid: forked, and the parent's file is not ours
            self._pid = os.getpid()
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"events-{self._pid}.jsonl"
            torn = _ends_torn(path)
            self._file = path.open("a", encoding="utf-8", buffering=1, newline="\n")
            if torn:  # a killed process once had our pid: its torn line must not swallow our first
                self._file.write("\n")
        return self._file


@dataclass(frozen=True)
class Events:
    """All events of a run, in order of time, and what could not be read."""

    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()

    def of(self, kind: str) -> list[Row]:
        """The events of one kind, in order."""
        return [row for row in self.rows if row["event"] == kind]


def read_events(folder: Path) -> Events:
    """Merge the event files of a run. Unreadable lines (a crash tears the last one) are left out and reported.

    Raises:
        ParityError: no event file in this folder.
    """
    paths = sorted(folder.glob("events-*.jsonl"))
    if not paths:
        raise ParityError("no events-*.jsonl here", where=folder, remedy="name the folder of a run")
    found: list[tuple[float, Row]] = []
    problems: list[str] = []
    for path in paths:
        at = 0.0
        for number, line, whole in _lines(path):
            row, flaw = _parse(line)
            if flaw:
                what = "a torn last line was ignored" if not whole else f"line {number} was ignored: {flaw}"
                problems.append(f"{path.name}: {what}")
                continue
            stamp = row.get("at")
            at = max(at, float(stamp)) if isinstance(stamp, int | float) else at
            found.append((at, row))
    found.sort(key=lambda pair: pair[0])  # stable: within a file, order stays as written
    return Events(tuple(row for _, row in found), tuple(problems))


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line, line.endswith(b"\n")


def _parse(line: bytes) -> tuple[Row, str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}, "not JSON"
    return (row, _flaw(row)) if isinstance(row, dict) else ({}, "not an object")


def _flaw(row: Row) -> str:
    kind = row.get("event")
    fields = KINDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        return f"no such event: {kind!r:.80}"
    wrong = _misfits(row, fields, "")
    return f"event {kind!r} lacks, or has of the wrong type: {', '.join(wrong[:5])}" if wrong else ""


def _misfits(value: Any, wanted: Any, path: str) -> list[str]:
    """Paths below a value that are not what they must be."""
    if isinstance(wanted, tuple):
        found = [_misfits(value, choice, path) for choice in wanted]
        return [] if [] in found else found[-1]
    if isinstance(wanted, list) and isinstance(value, list):
        return [flaw for index, item in enumerate(value) for flaw in _misfits(item, wanted[0], f"{path}[{index}]")]
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        below = ((name, value.get(name, _ABSENT), kind) for name, kind in wanted.items())
        return [flaw for name, item, kind in below for flaw in _misfits(item, kind, f"{path}.{name}" if path else name)]
    if isinstance(wanted, frozenset):
        return [] if isinstance(value, str) and value in wanted else [path]
    return [] if isinstance(wanted, type | UnionType) and isinstance(value, wanted) else [path]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
