"""Every golden holds at every tap in every runtime: the table of docs/goldens.md, computed again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_golden_holds_in_every_runtime() -> None:
    done = subprocess.run(
        [sys.executable, "bench/goldens.py", "--markdown"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
    told = (ROOT / "docs" / "goldens.md").read_text(encoding="utf-8")

    def calls(text: str) -> list[list[str]]:
        rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ") and "golden" not in line]
        return [[cell.strip() for cell in row] for row in rows]

    assert calls(done.stdout) == calls(told), "docs/goldens.md tells of other calls: print it again"
    assert len(calls(told)) >= 15
