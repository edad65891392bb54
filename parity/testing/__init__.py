"""For other people's tests: `BackendContract`, the conformance suite that every runtime of this project passes."""

from parity.testing.contract import BackendContract

__all__ = ["BackendContract"]
