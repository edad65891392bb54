"""The references: they keep the backend contract, agree with each other, and say what is wrong with a job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity.backends import oracle
from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.errors import ParityError
from parity.testing import BackendContract
from parity.traces import read_batch

from .conftest import SIZES, TAPS

FINE = ("layer.0.attention.probs", "layer.1.intermediate")


class TestOracle(BackendContract):
    dtype = "float64"
    rounding = 1e-13

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, reference_job) -> Job:
        return reference_job("oracle", precision="float64", taps=TAPS + FINE)


class TestStandIn(BackendContract):
    rounding = 2e-6

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, reference_job) -> Job:
        return reference_job("tensorflow", "numpy", taps=TAPS + FINE)

    def test_it_says_what_it_is(self, backend) -> None:
        assert "in place of TensorFlow" in backend.describe()["runtime"]
        assert backend.describe()["precision"] == "float32"


class TestTensorFlow(BackendContract):
    rounding = 2e-6

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, reference_job) -> Job:
        pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')
        return reference_job("tensorflow", taps=TAPS + FINE)

    def test_float64_cross_checks_the_oracle(self, job, reference_job) -> None:
        jobs = [reference_job("oracle", precision="float64"), reference_job("tensorflow", "f64", "float64"), job]
        exact, crossed, single = InProcess().run(jobs)
        for number in range(len(job.inputs)):
            batches = [
                read_batch(found.traces / f"batch-{number:03d}.safetensors") for found in (exact, crossed, single)
            ]
            for tap in TAPS:
                expected, other, rounded = (batch.taps[tap] for batch in batches)
                assert other.dtype == np.float64
                np.testing.assert_allclose(other, expected, rtol=0, atol=1e-13, err_msg=tap)
                np.testing.assert_allclose(rounded, expected, rtol=0, atol=3e-5, err_msg=tap)
                assert not np.array_equal(rounded, expected), tap


@pytest.mark.parametrize("threads", [1, 3])
def test_shares_of_rows_change_nothing_but_rounding(
    reference_job, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    job = reference_job("oracle", precision="float64", threads=threads)
    batch = read_batch(job.inputs[0])
    whole = oracle.open(job)
    usual = whole.run(batch.inputs, texts=None)
    monkeypatch.setattr(oracle, "TOKENS", 1)
    alone = whole.run(batch.inputs, texts=None)
    whole.close()
    for tap in TAPS:
        np.testing.assert_allclose(alone[tap], usual[tap], rtol=0, atol=1e-13)
        assert len(alone[tap]) == 3


def test_logits_are_taken_at_the_logit_positions(reference_job) -> None:
    job = reference_job("oracle", precision="float64")
    given = dict(read_batch(job.inputs[0]).inputs)
    opened = oracle.open(job)
    few = opened.run(given, texts=None)["logits.mlm"]
    length = given["input_ids"].shape[1]
    everywhere = np.tile(np.arange(length, dtype=np.int32), (3, 1))
    full = opened.run({**given, "logit_positions": everywhere}, texts=None)["logits.mlm"]
    opened.close()
    assert few.shape == (3, 2, SIZES["vocab_size"])
    picked = full[np.arange(3)[:, None], given["logit_positions"]]
    np.testing.assert_allclose(few, picked, rtol=0, atol=1e-13)


def test_what_does_not_fit_is_told_before_anything_runs(reference_job, tmp_path: Path) -> None:
    wrong = tmp_path / "bert_config.json"
    wrong.write_text("{")
    job = reference_job("oracle")
    cases = {
        r"no tap layer\.9": {"taps": ("layer.9",)},
        "does not hold the head classifier.*pretraining": {"head": "classifier"},
        "does not compute in bfloat16": {"precision": "bfloat16"},
        r"bert_config\.json: not a readable config": {"source": {**job.source, "config": str(wrong)}},
        "unknown family": {"family": "brt"},
        "there is no setting shipped": {"settings": {"shipped": "1"}},
    }
    for message, fields in cases.items():
        with pytest.raises(ParityError, match=message):
            oracle.open(reference_job("oracle", **{"precision": "float64", **fields}))
