"""The worker by hand: no scheduler, phases on standard error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.backends.phase import Phase
from parity.backends.worker import environment
from parity.traces import batch_paths, read_batch


def by_hand(job: Job) -> subprocess.CompletedProcess[str]:
    job.write(job.out / "job.json")
    command = [sys.executable, "-m", "parity.backends.worker", str(job.out / "job.json")]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ["PYTHONPATH"]])
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": path})


def test_phases_line_up_and_traces_tell_what_made_them(fake_job) -> None:
    job = fake_job(threads=3, variant="v", meta={"model": "tiny", "digest": "abc"}, colour="red")
    (job.out).mkdir()
    (job.out / "batch-007.safetensors").write_text("left by an earlier run")
    done = by_hand(job)
    assert done.returncode == 0, done.stderr
    phases = [Phase.from_line(line) for line in done.stderr.splitlines()]
    assert [phase.name for phase in phases] == ["imported", "loaded", "batch", "batch", "finished"]
    assert phases[1].detail["describe"]["threads"] == "3"
    assert [phase.detail["number"] for phase in phases[2:4]] == [0, 1]
    assert all(phase.wall_s >= 0 and phase.cpu_s >= 0 and phase.peak_rss > 1 << 20 for phase in phases)

    answers = [read_batch(path) for path in batch_paths(job.out)]
    assert len(answers) == 2
    for answer, path in zip(answers, job.inputs, strict=True):
        given = read_batch(path)
        np.testing.assert_array_equal(answer.taps["embeddings"], given.inputs["input_ids"])
        np.testing.assert_array_equal(answer.inputs["fed"], [0, 1, 2])
        np.testing.assert_array_equal(answer.inputs["attention_mask"], given.inputs["attention_mask"])
        assert answer.texts == given.texts
        expected = {
            "model": "tiny", "digest": "abc", "backend": "fake", "variant": "v", "precision": "float32", "threads": 3,
            "settings": {"colour": "red"}, "unavailable": {}, "name": given.meta["name"],
        }  # fmt: skip
        assert {key: answer.meta[key] for key in expected} == expected
        assert answer.meta["describe"]["version"] == "1"
        assert answer.skipped is None


def test_a_declared_skip_is_a_trace_without_taps(fake_job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(os.environ["PYTHONPATH"])
    job = fake_job(do="skip", at="1")
    outcome = InProcess().result(job)
    assert outcome.ok, outcome.reason
    first, second = (read_batch(path) for path in batch_paths(job.out))
    assert (first.skipped, dict(first.taps)) == ("only takes texts", {})
    assert set(first.inputs) >= {"input_ids", "attention_mask"}
    assert second.skipped is None
    assert "embeddings" in second.taps
    assert [phase.detail["skipped"] for phase in outcome.of("batch")] == ["only takes texts", None]


def test_an_error_ends_with_its_traceback(fake_job) -> None:
    done = by_hand(fake_job(do="raise_it", at="2"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: the middle is" in done.stderr


def test_a_users_mistake_has_no_traceback(fake_job) -> None:
    done = by_hand(fake_job(load="refuse"))
    assert done.returncode == 2
    assert "the artifact is for another model; convert again" in done.stderr.splitlines()
    assert "Traceback" not in done.stderr


def test_taps_nobody_asked_for_are_a_broken_contract(fake_job) -> None:
    done = by_hand(fake_job(do="surplus"))
    assert done.returncode == 2
    assert "surplus ['layer.9']" in done.stderr
    assert by_hand(fake_job(taps=("embeddings", "pooler"), name="b")).stderr.count("lacking ['pooler']") == 2


@pytest.mark.parametrize("threads", [1, 5])
def test_the_environment_carries_threads_and_cuts_the_network(threads: int) -> None:
    found = environment(threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        assert found[name] == str(threads)
    assert found["HF_HUB_OFFLINE"] == "1"
    assert found["TOKENIZERS_PARALLELISM"] == "false"
    assert found["USE_TF"] == "0"


def test_in_process_errors_become_outcomes(fake_job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(os.environ["PYTHONPATH"])
    seen: list[str] = []
    runner = InProcess(progress=lambda job, phase: seen.append(phase.name))
    bad, good = runner.run([fake_job(do="raise_it", at="2", name="bad"), fake_job(name="good")])
    assert (bad.status, bad.batches) == ("crashed", 1)
    assert bad.reason == "ValueError: the middle is (on batch 2 of 2)"
    assert "raise_it" in bad.stderr_tail
    assert good.ok
    assert seen == ["imported", "loaded", "batch", "failed", "imported", "loaded", "batch", "batch", "finished"]
    assert runner.result(good.job) is good
