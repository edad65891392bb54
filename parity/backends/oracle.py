"""The references on NumPy: the float64 oracle, and the float32 stand-in for TensorFlow (`tensorflow:numpy`).

Rows do not look at each other, so a batch is cut into shares of rows that are walked side by side, each with one BLAS
thread: a 512-token row of base size takes a third of the time that OpenBLAS' own two threads need for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy
import threadpoolctl

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.backends.reference import Reference, open_reference
from parity.tensorfile import Array

TOKENS = 512
"""Tokens in a share of several rows, at most: enough to read each weight rarely, few enough for the caches."""


class Oracle:
    """A reference walked row by row in one dtype; taps come out in that dtype."""

    def __init__(self, reference: Reference, dtype: str, *, taps: Sequence[str], threads: int) -> None:
        self._reference, self._taps, self._dtype = reference, tuple(taps), dtype
        self._ops = NumpyOps(reference.read, np.dtype(dtype))
        self._blas = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
        self._threads, self._pool = threads, ThreadPoolExecutor(threads)
        for name in reference.variables:
            self._ops.weight(name)

    def describe(self) -> Mapping[str, str]:
        """Version of NumPy, and the dtype everything is computed in."""
        libraries = {f"{info['internal_api']} {info['version']}" for info in threadpoolctl.threadpool_info()}
        runtime = "the oracle" if self._dtype == "float64" else "NumPy in place of TensorFlow, which is not used"
        return {
            "version": np.__version__,
            "precision": self._dtype,
            "runtime": runtime,
            "scipy": scipy.__version__,
            "blas": ", ".join(sorted(libraries)) or "unknown",
        }

    def unavailable(self) -> Mapping[str, str]:
        """Nothing: every stage is a tap."""
        return {}

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """All positions of all rows, as given."""
        rows, length = inputs["input_ids"].shape[:2]
        inputs = self._reference.apart(inputs)
        step = max(min(math.ceil(rows / self._threads), TOKENS // length), 1)
        shares = [{name: array[i : i + step] for name, array in inputs.items()} for i in range(0, rows, step)]
        answers = list(self._pool.map(self._walk, shares))
        return {tap: np.concatenate([answer[tap] for answer in answers]) for tap in self._taps if tap in answers[0]}

    def _walk(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        fed, given = self._reference.parted(inputs)
        values = {tap: array.astype(self._dtype, copy=False) for tap, array in given.items()}
        return walk(self._reference.stages, self._ops, fed, self._taps, given=values)

    def close(self) -> None:
        """End the threads, close the checkpoint."""
        self._pool.shutdown()
        self._blas.restore_original_limits()
        self._reference.close()


def open(job: Job) -> Oracle:  # noqa: A001 - the name every runtime module has
    """Open the checkpoint in float64, or in float32 for a job that claims it.

    Raises:
        ParityError: the checkpoint or its config do not fit the job.
    """
    return Oracle(open_reference(job), job.precision, taps=job.taps, threads=job.threads)
