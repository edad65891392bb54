"""A run as one watches it: a line per phase, failures as they come, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.status import Status
from rich.text import Text

from parity.events import Events, Row
from parity.report.judgement import Judgement, judge, name
from parity.report.text import count, many, plain, ratio, seconds, size, visible

SIGNS = {"holds": "✓", "broken": "✗", "unjudged": "?"}
HEADLINES = {"holds": "parity holds", "broken": "parity is broken", "unjudged": "parity is unjudged"}


def headline(judgement: Judgement) -> str:
    """The verdict in words, with the stand-in said."""
    said = HEADLINES[judgement.state]
    return f"{said} ({'; '.join(judgement.notes)})" if judgement.notes else said


def verdict_line(events: Events) -> str:
    """The last line of a run: the verdict, what was counted, why it is red, and stand-ins by name."""
    judgement = judge(events)
    counted = f"{judgement.counts}" if judgement.counts else "not counted"
    more = f" (+{len(judgement.reasons) - 1} more)" if len(judgement.reasons) > 1 else ""
    parts = [headline(judgement), counted, *(reason + more for reason in judgement.reasons[:1])]
    return str(visible("; ".join(parts)))


class Progress:
    """Prints events as they come; give `see` to `EventLog(listener=...)`.

    On a terminal a status line with the counts stays below; elsewhere plain lines only. `live=False` leaves the
    status line out (pytest writes to the same terminal).
    """

    def __init__(self, console: Console | None = None, *, live: bool = True) -> None:
        self.console = console or Console()
        self._status: Status | None = self.console.status("") if live and self.console.is_terminal else None
        self._said: set[str] = set()
        self._planned = self._judged = self._failed = 0

    def see(self, row: Row) -> None:
        """Take note of one event, and print it if it says something new."""
        kind = row["event"]
        line = LINES[kind](row) if kind in LINES else None
        if line is not None and line not in self._said:
            self._said.add(line)
            style = "red" if kind in ("crash", "verdict") else "yellow" if kind in ("skip", "warning") else None
            self.console.print(Text(str(visible(line)), style=style or ""), soft_wrap=True)
        self._count(row)

    def _count(self, row: Row) -> None:
        self._planned += row["comparisons"] if row["event"] == "plan" else 0
        self._judged += row["event"] == "verdict" and row["status"] != "skip"
        self._failed += row["event"] == "verdict" and row["status"] == "fail"
        if self._status is None:
            return
        if row["event"] == "finish":
            self._status.stop()
        else:
            self._status.update(Text(f"{self._judged} of {many(self._planned, 'comparison')}, {self._failed} failed"))
            self._status.start()


def _run(row: Row) -> str:
    models = ", ".join(f"{model['model']} ({model.get('family', '?')})" for model in row["models"])
    notes = [f"  {model['model']}: {model['note']}" for model in row["models"] if model.get("note")]
    return "\n".join([f"parity {row['parity']}: {models}, scale {row['scale']}", *notes])


def _plan(row: Row) -> str:
    return f"  plan     {_who(row)}: {many(row['comparisons'], 'comparison')}"


def _skip(row: Row) -> str:
    remedy = f"; {row['remedy']}" if row["remedy"] else ""
    return f"  skip     {_who(row)}: {row['reason']}{remedy}"


def _verdict(row: Row) -> str | None:
    if row["status"] != "fail":
        return None
    value = f" {ratio(row['value'])} > {ratio(row['limit'])}" if row["value"] is not None else ""
    return f"  FAILED   {name(row)}{value}" + (f": {row['message']}" if row["message"] else "")


def _warning(row: Row) -> str:
    return f"  WARNING  {_who(row)}: {row['message']}"


def _time(row: Row) -> str:
    who = " ".join(str(row[field]) for field in ("model", "backend") if row[field])
    facts = [seconds(row["wall_s"])]
    facts += [f"cpu {seconds(row['cpu_s'])}"] if row["cpu_s"] is not None else []
    facts += [f"peak {size(row['peak_rss'])}"] if row["peak_rss"] is not None else []
    return f"  {row['stage']:<8} {who}{': ' if who else ''}{', '.join(facts)}"


def _crash(row: Row) -> str:
    tail = [line for line in plain(row["stderr_tail"]).splitlines() if line.strip()]
    return f"  CRASHED  {_who(row)}: {row['reason']}" + (f"\n           {tail[-1].strip()}" if tail else "")


def _finish(row: Row) -> str:
    return f"  compared {count(row['done'])} of {many(row['expected'], 'comparison')}"


def _who(row: Row) -> str:
    return f"{row['model']} {row['backend']} {row['precision']}"


LINES: Mapping[str, Callable[[Row], str | None]] = {
    "run": _run,
    "plan": _plan,
    "skip": _skip,
    "verdict": _verdict,
    "warning": _warning,
    "time": _time,
    "crash": _crash,
    "finish": _finish,
}
