"""What a runtime module offers. `parity.testing.BackendContract` checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from parity.backends.job import Job
    from parity.tensorfile import Array


class BatchSkipped(Exception):
    """Raised by `Backend.run` for a batch that this runtime declares it cannot take; the text is the reason."""


class Backend(Protocol):
    """An opened artifact."""

    def describe(self) -> Mapping[str, str]:
        """Versions, and the precision that really runs: at least `version` and `precision`."""

    def unavailable(self) -> Mapping[str, str]:
        """Taps the job asks for that this runtime cannot show, with the reason."""

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """The taps of one batch by name, batch-major, in the dtype as computed.

        Exactly the job's taps but for the unavailable ones. `inputs` are not changed. A runtime that feeds other
        arrays than it was given (its own token ids) returns them as `inputs/<name>`.

        Raises:
            BatchSkipped: this runtime declares that it cannot take this batch.
        """

    def close(self) -> None:
        """Release everything; a second call does nothing."""


class RuntimeModule(Protocol):
    """A module `parity/backends/<name>.py`, or a third party's: importing it imports the runtime."""

    def open(self, job: Job) -> Backend:
        """Load the job's artifact.

        Raises:
            ParityError: the artifact does not fit, or the variant, precision or a setting is unknown.
        """
