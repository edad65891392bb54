"""A live runtime answers what a job's worker answers, one batch after another, and tells how it died."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.backends.inprocess import InProcess
from parity.backends.live import Live, Lost
from parity.traces import TraceBatch, batch_path, read_batch


@pytest.fixture(params=[False, True], ids=["process", "here"])
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "fakes"))
    return bool(request.param)


def batch(*ids: int) -> TraceBatch:
    row = np.array([ids], np.int32)
    return TraceBatch({}, {"input_ids": row, "attention_mask": np.ones_like(row)}, {"name": "one"})


def ask(live: Live) -> None:
    for _ in range(3):
        live.run(batch(1, 2))


def test_each_batch_gets_its_own_answer(fake_job, here: bool) -> None:
    with Live(replace(fake_job(), inputs=()), in_process=here) as live:
        assert live.describe["version"] == "1"
        assert live.unavailable == {}
        answers = [live.run(batch(*range(size))) for size in (3, 1, 7)]
    for size, answer in zip((3, 1, 7), answers, strict=True):
        assert answer.taps["embeddings"].tolist() == [[float(i) for i in range(size)]]
        assert answer.inputs["fed"].tolist() == [0, 1, 2]
        assert answer.meta["name"] == "one"


def test_the_answers_are_those_of_a_job(reference_job, inputs, here: bool) -> None:
    job = reference_job("oracle", precision="float64")
    InProcess().result(job)
    with Live(replace(job, inputs=(), out=job.out / "live"), in_process=here) as live:
        for number, path in enumerate(inputs):
            answer, expected = live.run(read_batch(path)), read_batch(batch_path(job.out, number))
            assert answer.taps.keys() == expected.taps.keys()
            for tap, array in expected.taps.items():
                np.testing.assert_array_equal(answer.taps[tap], array)


def test_a_declared_skip_is_an_answer(fake_job, here: bool) -> None:
    with Live(replace(fake_job(do="skip", at="1"), inputs=()), in_process=here) as live:
        assert live.run(batch(1)).skipped == "only takes texts"
        assert live.run(batch(1)).skipped is None


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"do": "raise_it", "at": "2"}, ("crashed", "ValueError: the middle is")),
        ({"load": "refuse"}, ("crashed", "the artifact is for another model")),
        ({"do": "surplus", "at": "2"}, ("crashed", "surplus")),
    ],
    ids=["an error", "not loaded", "wrong taps"],
)
def test_an_error_is_told(fake_job, here: bool, trouble: dict[str, str], said: tuple[str, str]) -> None:
    with Live(replace(fake_job(**trouble), inputs=()), in_process=here) as live:
        with pytest.raises(Lost) as caught:
            ask(live)
        outcome = caught.value.outcome
        assert outcome.status == said[0]
        assert said[1] in outcome.reason
        assert outcome.stderr_tail


@pytest.mark.parametrize(
    ("trouble", "status", "said"),
    [
        ({"do": "abort", "at": "2"}, "crashed", "ended by SIGABRT on batch 2"),
        ({"do": "exit_quietly", "at": "1"}, "crashed", "ended with exit code 7 on batch 1"),
        ({"do": "hang", "at": "2", "batch_timeout_s": 0.3}, "timeout", "gave no sign for 0.3 s on batch 2"),
        ({"do": "eat", "at": "1", "memory_limit": 300 << 20}, "memory", "its limit is 0.29 GiB"),
        ({"module": "absent"}, "missing", "No module named"),
    ],
    ids=["abort", "exit", "hang", "memory", "absent"],
)
def test_how_it_died_is_told_and_it_stays_dead(fake_job, trouble: dict[str, object], status: str, said: str) -> None:
    live = Live(replace(fake_job(**trouble), inputs=()))
    with pytest.raises(Lost) as caught:
        ask(live)
    assert (caught.value.outcome.status, said in caught.value.outcome.reason) == (status, True), caught.value
    with pytest.raises(Lost):
        live.run(batch(1))
    live.close()


def test_closing_ends_the_process_and_a_second_time_nothing(fake_job) -> None:
    job = replace(fake_job(do="spawn_and_hang", at="99"), inputs=())
    live = Live(job)
    live.run(batch(1))
    pid = live._seat._worker.pid  # type: ignore[attr-defined]
    began = time.monotonic()
    live.close()
    live.close()
    assert time.monotonic() - began < 4.0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Lost, match="it was closed"):
        live.run(batch(1))


def test_a_runtime_here_may_not_change_what_it_is_fed(reference_job) -> None:
    given = batch(1, 2)
    with Live(replace(reference_job("oracle", taps=("layer.0",)), inputs=()), in_process=True) as live:
        live.run(TraceBatch({}, {**given.inputs, "token_type_ids": np.zeros((1, 2), np.int32)}))
    assert given.inputs["input_ids"].flags.writeable
