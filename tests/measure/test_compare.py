from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.errors import ParityError
from parity.measure import HEADER, CandidateResult, Comparison, compare_traces

from .support import Batches, batches, inputs, write_trace


@pytest.fixture
def traces(tmp_path: Path) -> Callable[..., Comparison]:
    """Writes the traces of `batches()` after a change to one party's, and compares."""

    def compare(
        change: Callable[[dict[str, Batches]], object] = lambda _: None,
        *,
        fed: dict[str, dict[str, np.ndarray]] | None = None,
        metas: dict[str, dict[int, dict[str, Any]]] | None = None,
        oracle: bool = True,
        bounds: dict[str, float] | None = None,
    ) -> Comparison:
        parties = copy.deepcopy(batches())
        change(parties)
        for party, made in parties.items():
            write_trace(tmp_path / party, made, (fed or {}).get(party), (metas or {}).get(party))
        return compare_traces(
            tmp_path / "source",
            [tmp_path / "candidate"],
            oracle=tmp_path / "oracle" if oracle else None,
            bounds=bounds,
        )

    return compare


def said(comparison: Comparison) -> str:
    """All that the one candidate's result says."""
    (candidate,) = comparison.candidates
    return "\n".join([*candidate.problems, *(tap.verdict.message for tap in candidate.taps)])


def test_sound_traces_hold_and_every_comparison_is_counted(traces: Callable[..., Comparison]) -> None:
    comparison = traces()
    (candidate,) = comparison.candidates
    assert comparison.holds
    assert (candidate.expected, candidate.done, candidate.skipped) == (6, 6, 0)
    assert (candidate.label, candidate.precision) == ("torch:eager", "float32")
    assert {tap.tap: tap.verdict.status for tap in candidate.taps} == dict.fromkeys(
        ("embeddings", "layer.0", "pooler"), "pass"
    )
    layer = next(tap for tap in candidate.taps if tap.tap == "layer.0")
    assert layer.metrics["count"] == 2 * 4 * 4 * 8  # padding left out
    assert [row.batch for row in layer.batches] == ["batch-000", "batch-001"]


def test_the_result_prints_as_rows_and_as_json(traces: Callable[..., Comparison]) -> None:
    def break_one(parties: dict[str, Batches]) -> None:
        parties["candidate"][0]["pooler"][1, 3] = np.nan
        parties["candidate"][1]["surplus"] = np.zeros((4, 32), np.float32)

    comparison = traces(break_one)
    rows = comparison.rows()
    assert all(len(row) == len(HEADER) for row in rows)
    assert {row[1]: row[2] for row in rows} == {
        "embeddings": "pass", "layer.0": "pass", "pooler": "fail", "surplus": "fail",
    }  # fmt: skip
    document = json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    taps = {tap["tap"]: tap for tap in document["candidates"][0]["taps"]}
    assert document["holds"] is False
    assert taps["pooler"]["metrics"]["rms"] == "NaN"
    assert taps["pooler"]["worst"]["candidate"] == "NaN"
    assert (taps["pooler"]["worst"]["row"], taps["pooler"]["worst"]["channel"]) == (1, 3)
    assert taps["layer.0"]["batches"].keys() == {"batch-000", "batch-001"}


def test_without_an_oracle_completeness_is_judged_and_rounding_is_not(traces: Callable[..., Comparison]) -> None:
    def shift(parties: dict[str, Batches]) -> None:
        parties["candidate"][0]["layer.0"] += 1

    comparison = traces(shift, oracle=False)
    assert comparison.holds
    assert {tap.verdict.status for tap in comparison.candidates[0].taps} == {"report"}
    assert not traces(shift, oracle=False, bounds={"max": 0.5}).holds
    assert traces(shift, oracle=False, bounds={"max": 1.5}).holds


def test_a_bound_does_not_overrule_the_rule(traces: Callable[..., Comparison]) -> None:
    def shift(parties: dict[str, Batches]) -> None:
        parties["candidate"][0]["layer.0"] += np.float32(1e-4)

    comparison = traces(shift, bounds={"max": 1.0})
    assert not comparison.holds
    with pytest.raises(ParityError, match="not a metric"):
        traces(shift, bounds={"mean": 1.0})


def test_declared_gaps_are_skips_and_counted(traces: Callable[..., Comparison]) -> None:
    def leave_out(parties: dict[str, Batches]) -> None:
        del parties["candidate"][0]["pooler"], parties["candidate"][1]["pooler"]
        parties["candidate"][1].clear()

    declared = {
        0: {"unavailable": {"pooler": "this graph has none"}},
        1: {"unavailable": {"pooler": "this graph has none"}, "skipped": "no texts to feed"},
    }
    comparison = traces(leave_out, metas={"candidate": declared})
    (candidate,) = comparison.candidates
    assert comparison.holds
    assert (candidate.expected, candidate.done, candidate.skipped) == (6, 2, 4)
    verdicts = {tap.tap: tap.verdict for tap in candidate.taps}
    assert verdicts["pooler"].status == "skip"
    assert "this graph has none" in verdicts["pooler"].message
    assert candidate.skips == ("batch batch-001: no texts to feed (candidate)",)
    assert not traces(leave_out).holds


def test_what_the_base_declares_it_lacks_is_a_skip_too(traces: Callable[..., Comparison]) -> None:
    def leave_out(parties: dict[str, Batches]) -> None:
        for batch in parties["source"]:
            del batch["pooler"]

    lacks = {"unavailable": {"pooler": "not in this graph"}}
    comparison = traces(leave_out, metas={"source": {0: lacks, 1: lacks}})
    assert comparison.holds
    assert comparison.candidates[0].skipped == 2
    assert not traces(leave_out).holds


def test_a_reason_of_the_oracle_does_not_excuse_the_candidate(traces: Callable[..., Comparison]) -> None:
    def leave_out(parties: dict[str, Batches]) -> None:
        for party in ("candidate", "oracle"):
            for batch in parties[party]:
                del batch["pooler"]

    lacks = {"unavailable": {"pooler": "not written yet"}}
    comparison = traces(leave_out, metas={"oracle": {0: lacks, 1: lacks}})
    assert not comparison.holds
    assert "the candidate does not have this tap" in said(comparison)


def test_padding_may_hold_other_ids_but_real_positions_may_not(traces: Callable[..., Comparison]) -> None:
    fed = inputs()
    fed["input_ids"][fed["attention_mask"] == 0] = 77
    assert traces(fed={"candidate": fed}).holds
    fed["input_ids"][2, 1] = 78
    comparison = traces(fed={"candidate": fed})
    assert not comparison.holds
    assert "inputs/input_ids differs at [2, 1]: got 78, the base has 18" in said(comparison)
    assert comparison.candidates[0].done == 0


@pytest.mark.parametrize("party", ["candidate", "oracle"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fed: fed["attention_mask"].__setitem__((0, 3), 0), "inputs/attention_mask differs at [0, 3]"),
        (lambda fed: fed["attention_mask"].__setitem__((2, 5), 1), "inputs/attention_mask differs at [2, 5]"),
        (lambda fed: fed.pop("token_type_ids"), "was fed attention_mask, input_ids"),
        (lambda fed: fed.update(mems=np.zeros(3)), "mems"),
        (lambda fed: fed.update(input_ids=fed["input_ids"][:, :5]), "shape [4, 5]"),
    ],
)
def test_other_inputs_are_not_compared(
    traces: Callable[..., Comparison], party: str, change: Callable[[dict], object], words: str
) -> None:
    fed = inputs()
    change(fed)
    comparison = traces(fed={party: fed})
    assert not comparison.holds
    assert words in said(comparison)
    assert comparison.candidates[0].done == 0


def test_floats_fed_must_be_equal_and_nan_never_is(traces: Callable[..., Comparison]) -> None:
    fed = {**inputs(), "mems.0": np.zeros((4, 6), np.float32)}
    parties = ("candidate", "source", "oracle")
    assert traces(fed=dict.fromkeys(parties, fed)).holds
    fed["mems.0"][0, 0] = np.nan
    assert not traces(fed=dict.fromkeys(parties, fed)).holds


def test_a_claim_that_changes_between_batches_is_refused(traces: Callable[..., Comparison]) -> None:
    comparison = traces(metas={"candidate": {1: {"precision": "bfloat16"}}})
    assert not comparison.holds
    assert "claims bfloat16, other batches float32" in said(comparison)


def test_a_lower_precision_is_reported(traces: Callable[..., Comparison]) -> None:
    def shift(parties: dict[str, Batches]) -> None:
        for batch in parties["candidate"]:
            batch["layer.0"] += np.float32(1e-3)

    claims = {"precision": "bfloat16"}
    comparison = traces(shift, metas={"candidate": {0: claims, 1: claims}})
    assert comparison.holds
    assert {tap.verdict.status for tap in comparison.candidates[0].taps} == {"report"}


def test_a_result_without_comparisons_does_not_hold_even_with_nothing_to_complain_about() -> None:
    nothing = CandidateResult("a", "torch", "float32", (), (), (), expected=0, done=0, skipped=0)
    assert not nothing.holds
    assert replace(nothing, done=1).holds
    assert not replace(nothing, done=1, problems=("a surplus batch",)).holds


def test_no_candidate_and_no_batches_never_hold(tmp_path: Path) -> None:
    base = write_trace(tmp_path / "source", batches()["source"])
    assert not compare_traces(base, []).holds
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParityError, match="no batch"):
        compare_traces(base, [tmp_path / "empty"])
