"""The measures, over findings made up for each way to miss one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parity.faults.finding import Finding, Seen
from parity.faults.matrix import Matrix
from parity.faults.measures import measures
from parity.faults.rules import RULES
from parity.faults.sound import Soundness, SoundRun
from parity.faults.told import matrix_lines, matrix_markdown, sound_lines
from parity.faults.values import Fault, Runtime

FAULT = Fault(
    id="M-01", variant="one", what="", inject=Runtime("mask-ignored"), place="layer.0", causes=("mask-ignored: mask",)
)
RIGHT = Finding(
    FAULT,
    Seen(
        "tap",
        "layer.0",
        causes=(("mask-ignored", "the mask is ignored"),),
        diagnosed=True,
        objections={rule.name: False for rule in RULES},
    ),
    "layer.0",
)
CONTROL = Finding(replace(FAULT, verdict="equivalent", place="", causes=()), Seen("equivalent"), "")
ABSENT = Finding(replace(FAULT, least_layers=99), None, "layer.0")


def seen(**changes: object) -> Finding:
    assert RIGHT.seen is not None
    return replace(RIGHT, seen=replace(RIGHT.seen, **changes))  # type: ignore[arg-type]


def missed(*findings: Finding) -> set[str]:
    return {measure.name for measure in measures(findings) if not measure.holds}


def test_all_is_well() -> None:
    assert missed(RIGHT, CONTROL, ABSENT) == set()
    assert Matrix("m", (RIGHT, CONTROL)).holds


@pytest.mark.parametrize(
    ("finding", "broken"),
    [
        (seen(verdict="equivalent", causes=(), diagnosed=False, first=""), {"caught", "caught by what was expected"}),
        (seen(verdict="completeness"), {"caught by what was expected"}),
        (seen(first="layer.1"), set()),
        (seen(causes=()), set()),
        (seen(causes=(("scale", "a factor"),)), {"wrong causes named"}),
        (seen(causes=(("mask-ignored", "something else"),)), {"wrong causes named"}),
    ],
)
def test_one_finding_breaks_the_measures_it_should(finding: Finding, broken: set[str]) -> None:
    shares = {"place right", "cause right, of those identifiable"}
    found = missed(finding)
    assert broken <= found
    assert found - broken <= shares
    assert found, "one of one is below any share"


def test_a_control_that_is_claimed_is_red() -> None:
    claimed = replace(CONTROL, seen=Seen("tap", "layer.0"))
    assert missed(RIGHT, claimed) == {"equivalents left alone"}


def test_shares_leave_room_for_a_few() -> None:
    assert missed(*[RIGHT] * 19, seen(first="layer.1")) == set()
    assert missed(*[RIGHT] * 18, *[seen(first="layer.1")] * 2) == {"place right"}
    assert missed(*[RIGHT] * 4, seen(causes=())) == set()
    assert missed(*[RIGHT] * 3, seen(causes=())) == {"cause right, of those identifiable"}


def test_a_cause_named_where_none_can_be_known_is_wrong() -> None:
    unknowable = replace(RIGHT, fault=replace(FAULT, causes=()))
    assert unknowable.cause == "wrong"
    assert replace(unknowable, seen=replace(RIGHT.seen, causes=())).cause == "not identifiable"  # type: ignore[type-var]


def test_a_matrix_is_told_with_everything_that_was_missed() -> None:
    matrix = Matrix("toy", (RIGHT, seen(first="layer.1"), ABSENT, CONTROL))
    text = "\n".join([matrix_markdown(matrix), *matrix_lines(matrix)])
    assert "wrong, expected layer.0" in text
    assert "needs 99 layers" in text
    assert "MISSED place right: 1 of 2" in text
    assert "not: M-01/one" in text
    assert matrix.as_csv().count("\n") == 5
    assert matrix.as_dict()["rows"] == 3


def run(alarm: str = "") -> SoundRun:
    return SoundRun("toy", "texts", "variant", alarm, {rule.name: True for rule in RULES}, 0.1)


def test_false_alarms_are_counted_and_too_few_runs_show_nothing() -> None:
    quiet = Soundness((run(),) * 300, 300)
    assert quiet.holds
    assert quiet.bound == pytest.approx(0.01)
    assert not Soundness((run(),) * 299, 300).holds
    loud = Soundness((*quiet.runs, run("layer.0: too far")), 300)
    assert not loud.holds
    assert "1 in 301" in sound_lines(loud)[0]
    assert quiet.by_rule() == dict.fromkeys((rule.name for rule in RULES), 300)
