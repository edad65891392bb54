"""Every bench runs, on small models, and prints figures; `make bench` runs all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from slow.environments import ROOT, environ, run

SCRIPTS = sorted(path.name for path in (ROOT / "bench").glob("[a-z]*.py"))
QUICK = {
    "compare.py": ("--batches", "1", "--repeats", "1", "--no-polygraphy"),
    "goldens.py": ("--golden", "goldens"),  # test_goldens.py has all of them
}
"""How a script is made quick, if not by --quick."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_runs_and_prints_figures(script: str, tmp_path: Path) -> None:
    ours = environ(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="2")
    (tmp_path / "goldens").mkdir()
    (tmp_path / "goldens" / "gpt2").symlink_to(ROOT / "fixtures" / "goldens" / "gpt2")
    said = run([sys.executable, ROOT / "bench" / script, *QUICK.get(script, ("--quick",))], cwd=tmp_path, env=ours)
    assert len([line for line in said.splitlines() if re.search(r"\d\.\d", line)]) >= 2, said


def test_make_bench_names_them_all() -> None:
    rehearsal = ["make", "--dry-run", "--directory", ROOT, "bench"]
    told = subprocess.run(rehearsal, capture_output=True, text=True, env=environ(), check=True).stdout
    assert set(re.findall(r"bench/(\w+\.py)", told)) == set(SCRIPTS)
