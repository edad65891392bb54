"""The residual ledger as a runtime: what each station's own error becomes at the end of the graph.

With h a runtime's values, o the oracle's, L_k one station of it and G_k all that follow it,

    h[n] - o[n] = sum_k  G_k(h[k]) - G_k(L_k(h[k-1]))

exactly (numerics.md, "Own error"). A job is `given` a runtime's trace and asks for `ledger/<tap>` of the stations on
the way to the last of them: the summand of each, shape and axes of the last. `ledger/total` is the left-hand side.
Both terms of a summand are computed, so that the sum is a check and not a tautology.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import threadpoolctl

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job, check_settings
from parity.backends.reference import Reference, open_reference
from parity.errors import ParityError
from parity.tensorfile import Array

PREFIX: Final = "ledger/"
TOTAL: Final = "ledger/total"


class Ledger:
    """The float64 reference, walked twice from every station to the last."""

    def __init__(self, reference: Reference, stations: Sequence[str], *, threads: int) -> None:
        self._reference, self._stations = reference, tuple(stations)
        self._ops = NumpyOps(reference.read, np.dtype("float64"))
        self._blas = threadpoolctl.threadpool_limits(limits=threads, user_api="blas")

    def describe(self) -> Mapping[str, str]:
        """Version of NumPy; everything is float64."""
        return {"version": np.__version__, "precision": "float64", "runtime": "the oracle's ledger"}

    def unavailable(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The summand of every station, and the total.

        Raises:
            ParityError: the runtime's trace lacks one of the stations.
        """
        fed, found = self._reference.parted(inputs)
        absent = [tap for tap in self._stations if tap not in found]
        if absent:
            raise ParityError(f"the trace has no {', '.join(absent)}", remedy="trace every station of the ledger")
        given = {tap: found[tap].astype(np.float64) for tap in self._stations}
        steps = walk(self._reference.stages, self._ops, fed, self._stations, given=given)
        exact = walk(self._reference.stages, self._ops, fed, self._stations[-1:])[self._stations[-1]]
        answer = {
            PREFIX + tap: self._last(fed, tap, given[tap]) - self._last(fed, tap, steps[tap]) for tap in self._stations
        }
        return {**answer, TOTAL: given[self._stations[-1]] - exact}

    def _last(self, fed: Mapping[str, Array], tap: str, value: Array) -> Array:
        """G_k of a station's value: the last station, everything after this one computed exactly."""
        last = self._stations[-1]
        if tap == last:
            return value
        end: Array = walk(self._reference.stages, self._ops, fed, [last], given={tap: value})[last]
        return end

    def close(self) -> None:
        """Close the checkpoint."""
        self._blas.restore_original_limits()
        self._reference.close()


def names(stations: Sequence[str]) -> tuple[str, ...]:
    """What a ledger job asks for."""
    return (*(PREFIX + tap for tap in stations), TOTAL)


def open(job: Job) -> Ledger:  # noqa: A001 - the name every runtime module has
    """Open the checkpoint for a ledger job; its stations come in the order data flows.

    Raises:
        ParityError: the checkpoint or its config do not fit the job, no trace is given, or a name is no ledger's.
    """
    check_settings(job, ())
    stations = tuple(tap.removeprefix(PREFIX) for tap in job.taps if tap != TOTAL)
    if not job.given or not stations or any(not tap.startswith(PREFIX) for tap in job.taps):
        raise ParityError(
            "not a ledger job", got=", ".join(job.taps), expected="given=True and taps `ledger/<station>`"
        )
    reference = open_reference(_as_oracle(job, stations))
    return Ledger(reference, stations, threads=job.threads)


def _as_oracle(job: Job, stations: tuple[str, ...]) -> Job:
    return replace(job, backend="oracle", variant="", precision="float64", taps=stations)
