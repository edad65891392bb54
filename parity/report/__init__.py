"""From a run's events to CSV, HTML, Markdown, JUnit properties and progress."""

from __future__ import annotations

from parity.report.junit import junit_properties
from parity.report.progress import Progress, verdict_line
from parity.report.write import Reports, write_reports

__all__ = ["Progress", "Reports", "junit_properties", "verdict_line", "write_reports"]
