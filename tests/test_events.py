"""The event files: nothing finished is lost, nothing unreadable is believed, and nothing is left out silently."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.events import EventLog, read_events

WHO = {"model": "m", "backend": "b", "precision": "float32"}
VERDICT = {
    **WHO,
    "question": "heads",
    "tap": None,
    "status": "pass",
    "value": 1,
    "limit": 3,
    "message": None,
    "worst": None,
}


def plan(log: EventLog, number: int) -> None:
    log.write("plan", **WHO, taps=["layer.0"], comparisons=number)


def numbers(folder: Path) -> list[int]:
    return [row["comparisons"] for row in read_events(folder).of("plan")]


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        for number in range(50):
            plan(log, number)
    assert numbers(tmp_path) == list(range(50))
    assert [path.name for path in tmp_path.iterdir()] == [f"events-{os.getpid()}.jsonl"]


def test_numpy_numbers_paths_and_no_numbers_survive(tmp_path: Path) -> None:
    metrics = {"std": np.float32(0.5), "nan": math.nan, "max": math.inf, "count": np.int64(7)}
    with EventLog(tmp_path) as log:
        row = log.write("deviation", **WHO, batch="*", tap="layer.0", metrics=metrics, where=tmp_path)
    (read,) = read_events(tmp_path).rows
    assert read["metrics"]["std"] == 0.5
    assert read["metrics"]["count"] == 7
    assert math.isnan(read["metrics"]["nan"])
    assert read["metrics"]["max"] == math.inf
    assert read["where"] == row["where"] == str(tmp_path)


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        ("verdikt", {}, "verdikt"),
        ("plan", {**WHO, "comparisons": 1}, "taps"),
        ("plan", {**WHO, "taps": ["a", 3], "comparisons": 1}, r"taps\[1\]"),
        ("verdict", VERDICT | {"status": "ok"}, "status"),
        ("verdict", VERDICT | {"worst": {"batch": "x"}}, "worst.row"),
        ("crash", {**WHO, "status": "crashed", "reason": None, "stderr_tail": ""}, "reason"),
    ],
)
def test_a_malformed_event_is_refused_and_not_written(
    tmp_path: Path, kind: str, fields: dict[str, Any], named: str
) -> None:
    with EventLog(tmp_path) as log:
        plan(log, 1)
        with pytest.raises(ValueError, match=named):
            log.write(kind, **fields)
    events = read_events(tmp_path)
    assert len(events.rows) == 1
    assert not events.problems


def test_a_killed_process_loses_nothing_it_had_finished(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from parity.events import EventLog\n"
        "log = EventLog(Path(sys.argv[1]))\n"
        "for n in range(20): log.write('plan', model='m', backend='b', precision='p', taps=[], comparisons=n)\n"
        "os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert numbers(tmp_path) == list(range(20))


def test_files_of_several_processes_are_merged_by_time(tmp_path: Path) -> None:
    def line(at: float, number: int) -> str:
        return json.dumps({"event": "plan", "at": at, **WHO, "taps": [], "comparisons": number}) + "\n"

    (tmp_path / "events-1.jsonl").write_text(line(1.0, 0) + line(3.0, 2) + line(2.5, 3))  # the clock stepped back
    (tmp_path / "events-2.jsonl").write_text(line(2.0, 1) + line(4.0, 4))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_its_own_file(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        plan(log, 0)
        child = os.fork()
        if child == 0:
            plan(log, 1)
            os._exit(0)
        os.waitpid(child, 0)
        plan(log, 2)
    assert numbers(tmp_path) == [0, 1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {f"events-{pid}.jsonl" for pid in (os.getpid(), child)}


def test_threads_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    def hundred() -> None:
        for number in range(100):
            plan(log, number)

    with EventLog(tmp_path) as log:
        threads = [threading.Thread(target=hundred) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers(tmp_path)) == sorted([*range(100)] * 4)
    assert not read_events(tmp_path).problems


def test_a_torn_last_line_is_left_out_and_reported(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        plan(log, 1)
        plan(log, 2)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    assert numbers(tmp_path) == [1]
    assert read_events(tmp_path).problems == (f"{path.name}: a torn last line was ignored",)


def test_a_torn_line_of_an_earlier_process_with_our_pid_swallows_nothing(tmp_path: Path) -> None:
    path = tmp_path / f"events-{os.getpid()}.jsonl"
    path.write_text('{"event": "pl')
    with EventLog(tmp_path) as log:
        plan(log, 5)
    assert numbers(tmp_path) == [5]
    assert read_events(tmp_path).problems == (f"{path.name}: line 1 was ignored: not JSON",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rubbish=st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), max_size=6))
def test_rubbish_between_lines_costs_only_itself(tmp_path: Path, rubbish: list[bytes]) -> None:
    good = json.dumps({"event": "plan", "at": 1, **WHO, "taps": [], "comparisons": 1}).encode()
    (tmp_path / "events-1.jsonl").write_bytes(b"\n".join([*rubbish, good, *rubbish, good]) + b"\n")
    events = read_events(tmp_path)
    assert numbers(tmp_path) == [1, 1]
    assert len(events.problems) == 2 * sum(bool(line.strip()) for line in rubbish)


def test_absurd_nesting_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "events-1.jsonl").write_text("[" * 200_000 + "\n")
    assert len(read_events(tmp_path).problems) == 1


def test_a_folder_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no events"):
        read_events(tmp_path)


def test_listeners_get_what_was_written(tmp_path: Path) -> None:
    heard: list[Any] = []
    with EventLog(tmp_path, listener=heard.append) as log:
        row = log.write("verdict", **VERDICT)
    assert heard == [row] == list(read_events(tmp_path).rows)
