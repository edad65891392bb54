"""Start-up: `parity --help` and collecting the suites, best of five (`--quick`: once), whole process."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

MEASURES = (
    ("parity --help", ["-m", "parity", "--help"], 0.3),
    ("pytest suites/ --model rubert --collect-only", ["-m", "pytest", "suites", "--model=rubert", "--co", "-q"], 2.0),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    repeats = 1 if options.parse_args().quick else 5
    root = Path(__file__).parents[1]
    for name, arguments, wanted in MEASURES:
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=root, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
        print(f"{name}: {min(times):.2f} s (wanted: under {wanted} s)")


if __name__ == "__main__":
    main()
