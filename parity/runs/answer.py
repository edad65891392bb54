"""The answer to one case: what a test shows, an event keeps, and a report tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from parity.report.junit import junit_properties
from parity.runs.outline import Case

Status = Literal["pass", "fail", "report", "skip"]


@dataclass(frozen=True)
class Answer:
    """What came out for a case. `report`: measured and shown, but no limit applies to it."""

    case: Case
    status: Status
    message: str
    value: float | None = None
    limit: float | None = None
    worst: Mapping[str, Any] | None = None
    remedy: str | None = None
    """For a skip: what would let the case run."""

    @property
    def row(self) -> dict[str, Any]:
        """As the event `verdict` wants it."""
        case = self.case
        return {
            "model": case.model,
            "backend": case.backend,
            "precision": case.precision,
            "question": case.question,
            "tap": case.tap,
            "status": self.status,
            "value": self.value,
            "limit": self.limit,
            "message": self.message,
            "worst": dict(self.worst) if self.worst else None,
        }

    @property
    def properties(self) -> list[tuple[str, str]]:
        """As JUnit properties."""
        return junit_properties(self.row)

    def check(self) -> None:
        """Fail or skip the running test; pass otherwise."""
        import pytest

        if self.status == "fail":
            pytest.fail(f"{self.case.id} {self.case.question}: {self.message}", pytrace=False)
        if self.status == "skip":
            pytest.skip(self.message + (f"; {self.remedy}" if self.remedy else ""))
