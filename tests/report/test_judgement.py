"""When parity holds, is broken, or could not be judged; counts are recomputed, not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_run import MakeEvents, answer, run_facts

from parity.events import EventLog, read_events
from parity.report import verdict_line
from parity.report.judgement import judge, verdicts

RUNS: list[tuple[str, dict[str, Any], str, str]] = [
    ("sound", {}, "holds", ""),
    ("broken", {"broken": {"torch:sdpa": 4}}, "broken", "the first: rubert torch:sdpa float32 layer.4"),
    ("no numbers", {"nan": ["torch:eager"]}, "broken", "NaN where 3.00 is allowed"),
    (
        "crash",
        {"crashed": {"spacy": "boom"}},
        "unjudged",
        "rubert spacy float32 could not be judged: crashed, signal 11",
    ),
    ("missing runtime", {"missing": {"onnxruntime": "onnxruntime is not installed"}}, "holds", ""),
    ("one comparison lost", {"gap": 1}, "unjudged", "the counts do not add up: 161 expected"),
    ("one comparison too many", {"gap": -1}, "unjudged", "1 comparison too many"),
    ("unfinished", {"finish": False}, "unjudged", "did not finish"),
    ("nothing", {"backends": []}, "unjudged", "nothing was compared"),
    ("all missing", {"backends": ["spacy"], "missing": {"spacy": "absent"}}, "unjudged", "nothing was compared"),
    ("exit status", {"exit_status": 3}, "unjudged", "exit status 3"),
]


@pytest.mark.parametrize(("options", "state", "reason"), [run[1:] for run in RUNS], ids=[run[0] for run in RUNS])
def test_a_run_is_judged(make_events: MakeEvents, options: dict[str, Any], state: str, reason: str) -> None:
    judgement = judge(read_events(make_events(**options)))
    assert judgement.state == state
    assert reason in "; ".join(judgement.reasons)
    assert bool(judgement.reasons) == (state != "holds")


def test_a_torn_file_is_not_judged_as_if_it_were_whole(make_events: MakeEvents) -> None:
    folder = make_events()
    (path,) = folder.glob("events-*")
    path.write_bytes(path.read_bytes() + b'{"event": "verdict", "status": "fa')
    judgement = judge(read_events(folder))
    assert judgement.state == "unjudged"
    assert "torn last line" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("dropped", "said"),
    [("plan", "140 planned, but 160 expected"), ("skip", "but reasons are given for"), ("verdict", "verdicts written")],
)
def test_evidence_that_was_lost_is_missed(make_events: MakeEvents, dropped: str, said: str) -> None:
    folder = make_events()
    (path,) = folder.glob("events-*")
    lines = path.read_text().splitlines(keepends=True)
    # the last of its kind that counts: batches that were left out count nothing
    last = max(i for i, line in enumerate(lines) if f'"event": "{dropped}"' in line and '"count": 0' not in line)
    path.write_text("".join(lines[:last] + lines[last + 1 :]))
    judgement = judge(read_events(folder))
    assert judgement.state == "unjudged"
    assert said in "; ".join(judgement.reasons)


def test_a_failure_stands_when_the_same_question_is_answered_again(tmp_path: Path) -> None:
    who = {"model": "m", "backend": "b", "precision": "float32"}
    with EventLog(tmp_path) as log:
        for status in ("pass", "fail", "pass"):
            answer(log, who, "heads", "logits.mlm", status=status)
    (kept,) = verdicts(read_events(tmp_path))
    assert kept["status"] == "fail"


def test_the_verdict_line_says_state_counts_and_stand_in(make_events: MakeEvents) -> None:
    line = verdict_line(read_events(make_events()))
    assert line.startswith("parity holds (rubert is a stand-in: weights absent; `parity fetch rubert`)")
    assert "160 expected = 158 done + 2 skipped + 0 deselected" in line
    assert "\n" not in line


def test_real_weights_have_no_stand_in_note(make_events: MakeEvents) -> None:
    assert "stand-in" not in verdict_line(read_events(make_events(stand_in=False)))


def test_a_stand_in_without_a_note_is_named_all_the_same(tmp_path: Path) -> None:
    facts = run_facts(["rubert"])
    with EventLog(tmp_path) as log:
        log.write("run", **facts | {"models": [facts["models"][0] | {"note": ""}]})
    assert judge(read_events(tmp_path)).notes == ("rubert is a stand-in: weights absent; `parity fetch rubert`",)
