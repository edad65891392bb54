"""The conformance suite judges: a sound runtime passes all of it, and each way to be unsound fails its own test."""

from __future__ import annotations

import numpy as np
import pytest

from parity.testing import BackendContract
from parity.traces import TraceBatch, write_batch

pytest_plugins = ["pytester"]
TESTS = sorted(name for name in vars(BackendContract) if name.startswith("test_"))
RUNTIME = """
import numpy as np
from parity.backends.protocol import BatchSkipped

OPENED = []

class Sound:
    def __init__(self, job):
        self.taps, self.runs, self.closes = job.taps, 0, 0
        OPENED.append(self)
    def describe(self):
        return {"version": "1", "precision": "float32"}
    def unavailable(self):
        return {tap: "nobody computes it" for tap in self.taps if tap == "pooler"}
    def run(self, inputs, *, texts):
        self.runs += 1
        ids, ones = inputs["input_ids"].astype(np.float32)[..., None], np.ones(4, np.float32)
        taps = {"embeddings": ids + ones, "layer.0": np.sin(ids) * ones}
        return self.answer({tap: taps[tap] for tap in self.taps if tap != "pooler"}, inputs)
    def answer(self, taps, inputs):
        return taps
    def close(self):
        self.closes += 1

class Tampered(Sound):
    pass

def open(job):
    return Tampered(job)
"""
SUITE = """
from pathlib import Path
import pytest
from parity.backends.job import Job
from parity.testing import BackendContract

class TestIt(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def job(cls):
        folder = Path(__file__).parent
        return Job(
            backend="mine", module="runtime_under_test", family="bert", head="none",
            artifact=folder, out=folder / "out",
            taps=("embeddings", "layer.0", "pooler"), inputs=tuple(sorted(folder.glob("in-*.safetensors"))),
        )
"""
ANSWER = "answer(self, taps, inputs)"
# Fault: the test that has to see it, the method that is replaced, the statement it consists of.
FAULTS = {
    "tells no precision": ("test_it_describes_itself", "describe(self)", "return {'version': '1'}"),
    "hides a tap": (
        "test_it_answers_with_exactly_the_taps_asked_for",
        ANSWER,
        "return {name: tap for name, tap in taps.items() if name != 'layer.0'}",
    ),
    "skips all": ("test_it_answers_with_exactly_the_taps_asked_for", ANSWER, "raise BatchSkipped('not today')"),
    "gives no reason": (
        "test_it_answers_with_exactly_the_taps_asked_for",
        "unavailable(self)",
        "return {'pooler': ''}",
    ),
    "adds a tap": (
        "test_it_answers_with_fewer_taps_when_asked_for_fewer",
        ANSWER,
        "return {**taps, 'layer.0': inputs['input_ids']}",
    ),
    "doubles": (
        "test_taps_are_batch_major_finite_and_of_the_declared_dtype",
        ANSWER,
        "return {name: tap.astype(np.float64) for name, tap in taps.items()}",
    ),
    "not a number": (
        "test_taps_are_batch_major_finite_and_of_the_declared_dtype",
        ANSWER,
        "return {name: np.where(tap > tap.min(), tap, np.float32(np.nan)) for name, tap in taps.items()}",
    ),
    "time-major": (
        "test_taps_are_batch_major_finite_and_of_the_declared_dtype",
        ANSWER,
        "return {name: np.swapaxes(tap, 0, 1) for name, tap in taps.items()}",
    ),
    "another each time it is opened": (
        "test_two_openings_answer_bit_for_bit_the_same",
        ANSWER,
        "return {name: tap + np.float32(len(OPENED) * 1e-4) for name, tap in taps.items()}",
    ),
    "remembers": (
        "test_the_order_of_batches_does_not_matter",
        ANSWER,
        "return {name: tap + np.float32(self.runs > 2) for name, tap in taps.items()}",
    ),
    "writes into its inputs": (
        "test_inputs_are_left_alone",
        ANSWER,
        "inputs['input_ids'].flags.writeable and inputs['input_ids'].fill(0); return taps",
    ),
    "mixes rows": (
        "test_a_row_alone_is_the_row_in_its_batch_up_to_rounding",
        ANSWER,
        "return {name: tap + np.float32(0.01) * tap.mean() for name, tap in taps.items()}",
    ),
    "closes once": ("test_closing_twice_does_nothing", "close(self)", "self.closes += 1; assert self.closes == 1"),
}


def run_contract(pytester: pytest.Pytester, method: str = "", statement: str = "") -> dict[str, str]:
    """Outcome by test name of the contract on the sound runtime, one method of it replaced."""
    tampered = f"(Sound):\n    def {method}:\n        {statement}\n" if method else "(Sound):\n    pass\n"
    pytester.makepyfile(runtime_under_test=RUNTIME.replace("(Sound):\n    pass\n", tampered), test_it=SUITE)
    rng = np.random.default_rng(1)
    for number, shape in enumerate([(3, 5), (1, 2)]):
        ids = rng.integers(1, 90, shape, dtype=np.int32)
        write_batch(pytester.path / f"in-{number}.safetensors", TraceBatch({}, {"input_ids": ids}))
    done = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    found: dict[str, str] = {}
    for report in done.reprec.getreports("pytest_runtest_logreport"):
        name = report.nodeid.rpartition("::")[2]
        found[name] = "failed" if report.failed or found.get(name) == "failed" else report.outcome
    return found


def test_a_sound_runtime_passes_everything(pytester: pytest.Pytester) -> None:
    assert run_contract(pytester) == dict.fromkeys(TESTS, "passed")


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unsound_runtime_fails(pytester: pytest.Pytester, fault: str) -> None:
    test, method, statement = FAULTS[fault]
    assert run_contract(pytester, method, statement)[test] == "failed"


def test_every_test_of_the_contract_is_shown_to_fail() -> None:
    assert {test for test, _, _ in FAULTS.values()} == set(TESTS)
