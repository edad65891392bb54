"""Programs run for a test, and virtual environments that outlive it: made on demand, and anew when the recipe changes.

They lie beside the checkout's own `.venv`, or in `$PARITY_SLOW_VENVS`, and together take about 3 GB.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_")
_SHOWN = 4000


def environ(**more: str) -> dict[str, str]:
    """This process's environment without what would lend a child our packages; quiet, and never on a model hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "USE_TF": "0", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **more}


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    given: str | None = None,
    timeout_s: float = 600,
) -> str:
    """Run a program and return all it wrote; if it fails, so does the test, with the end of what it said."""
    line = " ".join(map(str, command))
    try:
        done = subprocess.run(
            list(map(str, command)),
            cwd=cwd,
            env=dict(env or environ()),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        said = slow.output.decode(errors="replace") if isinstance(slow.output, bytes) else slow.output or ""
        pytest.fail(f"{line}\nis not done after {timeout_s:.0f} s\n{said[-_SHOWN:]}", pytrace=False)
    if done.returncode:
        pytest.fail(f"{line}\nfailed with exit code {done.returncode}\n{done.stdout[-_SHOWN:]}", pytrace=False)
    return done.stdout


def bare(folder: Path, *, pip: bool = True) -> Path:
    """A new virtual environment of this Python; returns its interpreter."""
    run([sys.executable, "-m", "venv", *([] if pip else ["--without-pip"]), folder], cwd=folder.parent)
    return folder / "bin" / "python"


def kept(name: str, requirements: Sequence[str], *, constraints: Path) -> Path:
    """The interpreter of an environment that holds the requirements; needs a package index where it is not made yet."""
    recipe = "\n".join((sys.version, *requirements, constraints.read_text(encoding="utf-8")))
    key = hashlib.sha256(recipe.encode()).hexdigest()
    folder = Path(os.environ.get("PARITY_SLOW_VENVS", ROOT)).absolute() / f".venv-{name}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of the tests may want it, too
        if ready.is_file() and ready.read_text() == key and python.exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        bare(folder)
        install(python, *requirements, constraints=constraints)
        ready.write_text(key)
    return python


def install(python: Path, *what: str | Path, constraints: Path) -> None:
    """`pip install` under constraints, as a user does it."""
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints]
    run([*command, *what], cwd=python.parent, timeout_s=1200)
