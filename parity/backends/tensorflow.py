"""The source runtime: the reference on TensorFlow's own kernels, float32; `tensorflow:f64` cross-checks the oracle."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from parity.backends.executors.tensorflow_ops import TensorFlowOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.backends.reference import Reference, open_reference
from parity.tensorfile import Array


class TensorFlow:
    """A reference walked eagerly, a whole batch at a time."""

    def __init__(self, reference: Reference, dtype: str, *, taps: Sequence[str]) -> None:
        self._reference, self._taps, self._dtype = reference, tuple(taps), dtype
        self._ops = TensorFlowOps(reference.read, dtype)
        for name in reference.variables:
            self._ops.weight(name)

    def describe(self) -> Mapping[str, str]:
        """Version of TensorFlow, dtype, and what decides how its kernels round."""
        return {
            "version": tf.__version__,
            "precision": self._dtype,
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "as built"),
            "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
        }

    def unavailable(self) -> Mapping[str, str]:
        """Nothing: every stage is a tap."""
        return {}

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """All positions of all rows, as given."""
        arrays, given = self._reference.parted(inputs)
        fed = {name: self._ops.tensor(array) for name, array in arrays.items()}
        with tf.device("/CPU:0"):
            values = {tap: self._ops.cast(array) for tap, array in given.items()}
            taps = walk(self._reference.stages, self._ops, fed, self._taps, given=values)
        return {tap: self._ops.numpy(taps[tap]) for tap in self._taps if tap in taps}

    def close(self) -> None:
        """Close the checkpoint."""
        self._reference.close()


def open(job: Job) -> TensorFlow:  # noqa: A001 - the name every runtime module has
    """Open the checkpoint in the precision the job claims.

    Raises:
        ParityError: the checkpoint or its config do not fit the job.
    """
    # TensorFlow refuses another count once it has computed; a process of its own always comes here first.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return TensorFlow(open_reference(job), job.precision, taps=job.taps)
