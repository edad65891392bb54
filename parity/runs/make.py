"""Builds one artifact from a Hugging Face directory in a process of its own: `python -m parity.runs.make`.

So no framework is loaded into the run itself, and a crash of an exporter is one artifact that is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import ParityError

_QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "USE_TF": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True)
class Spent:
    """What a child process took."""

    wall_s: float
    cpu_s: float
    peak_rss: int


def make(kind: str, pytorch: Path, folder: Path, options: Mapping[str, Any], *, threads: int) -> Spent:
    """Fill `folder` with an artifact of that kind.

    Raises:
        ParityError: the exporter failed; the message ends with the last line it printed.
    """
    began = time.perf_counter()
    limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "parity.runs.make", kind, str(pytorch), str(folder), json.dumps(dict(options))]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        command,
        env={**os.environ, **_QUIET, **limits, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        assert child.stdout is not None
        said = child.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        lines = said.strip().splitlines() or [f"ended with status {child.returncode}"]
        raise ParityError(f"could not be made: {lines[-1]}", where=kind, remedy=f"try `parity convert … --to {kind}`")
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def main(arguments: list[str]) -> int:
    """Entry point of the child."""
    from parity.artifacts.convert import check_request, derive

    kind, pytorch, folder, options = arguments
    wanted = json.loads(options)
    try:
        check_request(kind, "safetensors", wanted)
        derive(Path(pytorch), Path(folder), to=kind, **wanted)
    except ParityError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
