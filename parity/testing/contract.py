"""The conformance suite of a runtime module.

Subclass it, name a job, and pytest runs the suite against `open(job)` of the job's module:

    class TestMyRuntime(BackendContract):
        @pytest.fixture(scope="class")
        @classmethod
        def job(cls, tmp_path_factory):
            return Job(backend="mine", module="my_package.parity_runtime", taps=("embeddings", "layer.0"), ...)

The job's input files should hold at least two batches, one of them with two rows or more.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pytest

from parity.backends import runtime
from parity.backends.job import Job
from parity.backends.protocol import Backend, BatchSkipped
from parity.tensorfile import Array
from parity.traces import INPUTS, TraceBatch, read_batch, real_positions

Open = Callable[[Job], Backend]


class BackendContract:
    """What the harness relies on in every backend. Override `job`; the class attributes where they differ."""

    dtype: ClassVar[str] = "float32"
    """NumPy dtype name of every tap."""
    rounding: ClassVar[float] = 2e-5
    """Largest rms difference, relative to the tap's rms, between a row run alone and the same row in its batch."""

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls) -> Job:
        """The job to open: taps, inputs, artifact."""
        raise NotImplementedError("override the fixture `job`")

    @pytest.fixture(scope="class")
    @classmethod
    def open_backend(cls, job: Job) -> Open:
        """The runtime module's `open`."""
        opened: Open = importlib.import_module(job.module or runtime(job.name).module).open
        return opened

    @pytest.fixture(scope="class")
    @classmethod
    def batches(cls, job: Job) -> tuple[TraceBatch, ...]:
        """The job's batches; their arrays are read-only."""
        return tuple(read_batch(path) for path in job.inputs)

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, job: Job, open_backend: Open) -> Iterator[Backend]:
        """One opened backend for the whole class."""
        opened = open_backend(job)
        yield opened
        opened.close()

    @pytest.fixture(scope="class")
    @classmethod
    def answers(cls, backend: Backend, batches: Sequence[TraceBatch]) -> dict[int, dict[str, Array]]:
        """Taps by batch number, without the batches that this backend declares it skips."""
        found = {number: taps for number, batch in enumerate(batches) if (taps := _run(backend, batch)) is not None}
        assert found, "every batch is a declared skip: nothing was checked"
        return found

    def test_it_describes_itself(self, backend: Backend) -> None:
        """It names its version and the precision that really runs."""
        described = backend.describe()
        assert {"version", "precision"} <= set(described)
        assert all(isinstance(value, str) and value for value in described.values())

    def test_it_answers_with_exactly_the_taps_asked_for(
        self, job: Job, backend: Backend, answers: Mapping[int, Mapping[str, Array]]
    ) -> None:
        """Every tap of the job is answered or declared unavailable with a reason, and no other."""
        unavailable = backend.unavailable()
        assert all(unavailable.values()), "an unavailable tap needs a reason"
        for number, taps in answers.items():
            assert sorted([*taps, *unavailable]) == sorted(job.taps), f"batch {number}"

    def test_it_answers_with_fewer_taps_when_asked_for_fewer(
        self, job: Job, open_backend: Open, batches: Sequence[TraceBatch], answers: Mapping[int, Mapping[str, Array]]
    ) -> None:
        """A job with one tap gets one tap."""
        number, full = next(iter(answers.items()))
        one = next(iter(full))
        opened = open_backend(dataclasses.replace(job, taps=(one,)))
        try:
            assert list(_run(opened, batches[number]) or ()) == [one]
        finally:
            opened.close()

    def test_taps_are_batch_major_finite_and_of_the_declared_dtype(
        self, answers: Mapping[int, Mapping[str, Array]], batches: Sequence[TraceBatch]
    ) -> None:
        """Arrays [B, ...] of `dtype`, finite at every real position."""
        for number, taps in answers.items():
            real = real_positions(batches[number].inputs)
            for name, value in taps.items():
                assert isinstance(value, np.ndarray), name
                assert value.dtype.name == self.dtype, name
                assert value.shape[0] == len(real), name
                assert value.size, name
                kept = value[real] if value.shape[:2] == real.shape else value
                assert np.isfinite(kept.astype(np.float64)).all(), name

    def test_two_openings_answer_bit_for_bit_the_same(
        self,
        job: Job,
        open_backend: Open,
        backend: Backend,
        batches: Sequence[TraceBatch],
        answers: Mapping[int, Mapping[str, Array]],
    ) -> None:
        """The same batch gives the same bytes, again and after another opening."""
        second = open_backend(job)
        try:
            for number, taps in answers.items():
                _assert_same(_run(backend, batches[number]), taps)
                _assert_same(_run(second, batches[number]), taps)
        finally:
            second.close()

    def test_the_order_of_batches_does_not_matter(
        self, backend: Backend, batches: Sequence[TraceBatch], answers: Mapping[int, Mapping[str, Array]]
    ) -> None:
        """A batch run after others gives the bytes that it gave before them."""
        assert len(batches) > 1, "give the contract at least two batches"
        for number in reversed(list(answers)):
            _assert_same(_run(backend, batches[number]), answers[number])

    def test_inputs_are_left_alone(
        self, backend: Backend, batches: Sequence[TraceBatch], answers: Mapping[int, Mapping[str, Array]]
    ) -> None:
        """Writable inputs come back as they were."""
        for number in answers:
            fed = {name: array.copy() for name, array in batches[number].inputs.items()}
            backend.run(fed, texts=batches[number].texts)
            for name, array in batches[number].inputs.items():
                assert fed[name].dtype == array.dtype, name
                np.testing.assert_array_equal(fed[name], array, err_msg=name)

    def test_a_row_alone_is_the_row_in_its_batch_up_to_rounding(
        self, backend: Backend, batches: Sequence[TraceBatch], answers: Mapping[int, Mapping[str, Array]]
    ) -> None:
        """Rows do not look at each other."""
        several = [number for number in answers if len(real_positions(batches[number].inputs)) > 1]
        assert several, "give the contract a batch of several rows"
        for number in several:
            batch, last = batches[number], slice(-1, None)
            alone = TraceBatch(
                {}, {k: v[last] for k, v in batch.inputs.items()}, {"texts": batch.texts and batch.texts[last]}
            )
            real = real_positions(alone.inputs)
            taps = _run(backend, alone)
            assert taps is not None
            for name, value in taps.items():
                full = answers[number][name][last]
                if value.shape[:2] == real.shape:
                    value, full = value[real], full[real]
                error = np.sqrt(np.mean((value.astype(np.float64) - full.astype(np.float64)) ** 2))
                scale = np.sqrt(np.mean(full.astype(np.float64) ** 2))
                assert not error > self.rounding * scale, f"{name}: rms {error:.3g} of {scale:.3g}"

    def test_closing_twice_does_nothing(self, job: Job, open_backend: Open) -> None:
        """The second close is harmless."""
        opened = open_backend(job)
        opened.close()
        opened.close()


def _run(backend: Backend, batch: TraceBatch) -> dict[str, Array] | None:
    try:
        answer = backend.run(batch.inputs, texts=batch.texts)
    except BatchSkipped as skip:
        if not str(skip):
            pytest.fail("a skip needs a reason")
        return None
    return {name: value for name, value in answer.items() if not name.startswith(INPUTS)}


def _assert_same(got: Mapping[str, Array] | None, expected: Mapping[str, Array]) -> None:
    assert got is not None
    assert sorted(got) == sorted(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype, name
        assert got[name].tobytes() == value.tobytes(), f"{name} differs between two runs of the same batch"
