"""The residual ledger: exact for a sound run and a wrong one, and it blames the layer that is to blame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.backends import ledger as runtime
from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.backends.ledger import PREFIX, TOTAL, names
from parity.errors import ParityError
from parity.measure.ledger import Ledger, balance
from parity.traces import TraceBatch, batch_path, read_batch, real_positions, write_batch

STATIONS = ("embeddings", "layer.0", "layer.1")


@pytest.fixture
def ledger_of(reference_job, tmp_path):
    def make(change) -> Ledger:
        runner = InProcess()
        single = replace(reference_job("tensorflow", "numpy", taps=STATIONS), out=tmp_path / "single")
        assert runner.result(single).ok
        trace = read_batch(batch_path(single.out, 0))
        taps = {tap: array.astype(np.float64) for tap, array in trace.taps.items()}
        write_batch(batch_path(tmp_path / "changed", 0), TraceBatch(change(taps), trace.inputs, trace.meta))
        job = replace(
            single,
            backend="ledger",
            variant="",
            module="parity.backends.ledger",
            taps=names(STATIONS),
            inputs=(batch_path(tmp_path / "changed", 0),),
            out=tmp_path / "ledger",
            given=True,
        )
        outcome = runner.result(job)
        assert outcome.ok, outcome.stderr_tail
        found = read_batch(batch_path(outcome.traces, 0))
        real = real_positions(found.inputs)
        return balance({tap: found.taps[PREFIX + tap] for tap in STATIONS}, found.taps[TOTAL], real)

    return make


def test_a_sound_runs_ledger_adds_up(ledger_of) -> None:
    ledger = ledger_of(lambda taps: taps)
    assert ledger.gap < 1e-6
    assert sum(ledger.shares.values()) == pytest.approx(1.0, abs=1e-6)
    assert all(size < 1e-5 for size in ledger.sizes.values())


def test_an_error_that_enters_at_one_layer_is_its_share(ledger_of) -> None:
    def change(taps):
        # What comes after it no longer follows from it: both layers have errors of their own, the second's is small.
        return taps | {"layer.0": taps["layer.0"] + 1e-3 * np.cos(np.arange(taps["layer.0"].shape[-1]))}

    ledger = ledger_of(change)
    assert ledger.gap < 1e-6
    assert sum(ledger.shares.values()) == pytest.approx(1.0, abs=1e-6)
    # The end did not move, so the second layer's own error takes back what the first one's became.
    assert ledger.sizes["layer.0"] == pytest.approx(ledger.sizes["layer.1"], rel=1e-2)
    assert ledger.sizes["layer.0"] > 100 * ledger.sizes["embeddings"]


def test_what_does_not_add_up_shows_as_a_gap() -> None:
    total = np.ones((1, 2, 3))
    ledger = balance({"a": total * 0.5, "b": total * 0.25}, total)
    assert ledger.gap == pytest.approx(0.25)
    assert ledger.shares == {"a": 0.5, "b": 0.25}


@pytest.mark.parametrize("change", [{"given": False}, {"taps": ()}, {"taps": ("layer.0",)}])
def test_a_job_that_is_no_ledgers_is_refused(reference_job, change) -> None:
    sound: Job = replace(reference_job("oracle"), backend="ledger", taps=names(STATIONS), given=True)
    with pytest.raises(ParityError, match="not a ledger job"):
        runtime.open(replace(sound, **change))
