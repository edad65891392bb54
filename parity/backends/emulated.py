"""A precision as a runtime: the reference with the roundings of one recipe, over the weights as they ship.

A job names this module, and the recipe in its setting `recipe` (`parity.backends.recipes`). Whole batches are walked,
because a quantiser's range is that of a batch, its padding included. Taps come out in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import threadpoolctl

from parity.backends.executors.rounded import Recipe, RoundedOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job, check_settings
from parity.backends.recipes import recipe
from parity.backends.reference import Reference, open_reference
from parity.tensorfile import Array


class Emulated:
    """A reference walked batch by batch in a recipe's arithmetic."""

    def __init__(self, reference: Reference, chosen: Recipe, name: str, *, taps: Sequence[str], threads: int) -> None:
        self._reference, self._recipe, self._name, self._taps = reference, chosen, name, tuple(taps)
        self._ops = RoundedOps(reference.read, chosen)
        self._stages = [self._ops.watch(stage, output=stage.name in self._taps) for stage in reference.stages]
        self._blas = threadpoolctl.threadpool_limits(limits=threads, user_api="blas")

    def describe(self) -> Mapping[str, str]:
        """Version of NumPy, the recipe, and where it is from."""
        return {
            "version": np.__version__,
            "precision": self._name,
            "runtime": "the reference in an emulated precision",
            "provenance": self._recipe.provenance,
        }

    def unavailable(self) -> Mapping[str, str]:
        """Nothing: every stage is a tap."""
        return {}

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """All positions of all rows, float32."""
        fed, given = self._reference.parted(inputs)
        values = {tap: array.astype(np.float32, copy=False) for tap, array in given.items()}
        return walk(self._stages, self._ops, fed, self._taps, given=values)

    def close(self) -> None:
        """Close the checkpoint."""
        self._blas.restore_original_limits()
        self._reference.close()


def open(job: Job) -> Emulated:  # noqa: A001 - the name every runtime module has
    """Open the checkpoint in the precision that the setting `recipe` names.

    Raises:
        ParityError: there is no such recipe, or checkpoint, config, taps or weights do not fit the job.
    """
    check_settings(job, ("recipe", "weights"))
    name = job.settings.get("recipe", "")
    chosen = recipe(name)
    settings = {key: value for key, value in job.settings.items() if key != "recipe"}
    reference = open_reference(replace(job, precision="float32", settings=settings))
    return Emulated(reference, chosen, name, taps=job.taps, threads=job.threads)
