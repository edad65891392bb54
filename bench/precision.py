"""Every lower precision of every runtime here beside its emulation: the ratios that docs/precision.md quotes.

    python bench/precision.py [--model rubert] [--scale small]

Two numbers per station and runtime where its precision has a recipe: the run's error over the emulated one's (1 = the
run rounds as its recipe says; at stations that stay in float32, the noise ratio), and the verdict's colour. Then what
its storage costs: rms of o(shipped) - o(source), relative.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from parity.backends import RUNTIMES, Runtime
from parity.runs.lower import Lower
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="rubert")
    options.add_argument("--scale", default="small", choices=("tiny", "small", "full"))
    options.add_argument("--quick", action="store_true")
    asked = options.parse_args()
    scale = "tiny" if asked.quick else asked.scale
    with tempfile.TemporaryDirectory(prefix="parity-bench-") as name:
        folder = Path(name)
        bench = Workbench(asked.model, folder=folder, options=RunOptions(scale=scale))
        lower = Lower(bench.model, folder / "lower")
        print(f"{'runtime':22}{'computes in':13}{'emb.':>7}{'layers':>13}{'pooler':>9}{'mlm':>7}{'nsp':>7}   price")
        for row in RUNTIMES.values():
            if row.kind != "source" and (row.options or row.precision not in ("float32", "float64")):
                show(bench, lower, row, folder)


def show(bench: Workbench, lower: Lower, row: Runtime, folder: Path) -> None:
    outcome = bench.run(bench.job(row, out=folder / row.name.replace(":", "-")))
    if not outcome.ok or set(outcome.unavailable) >= set(outcome.job.taps):
        print(f"{row.name:22}{outcome.reason or next(iter(outcome.unavailable.values()))}")
        return
    precision = outcome.describe["precision"] if row.precision == "default" else row.precision
    found = lower.judge(row, outcome, precision=precision)
    values = {tap: verdict.value or float("nan") for tap, verdict in found.items()}
    layers = [value for tap, value in values.items() if tap.startswith("layer.")]
    heads = "".join(f"{values.get(tap, float('nan')):{w}.2f}" for tap, w in _HEADS)
    price = lower.price(row)
    cost = max((one.relative for one in price.values()), default=0.0)
    red = [tap for tap, verdict in found.items() if verdict.status == "fail"]
    told = f"{cost:.1e}" if price else "-"
    print(
        f"{row.name:22}{precision:13}{values['embeddings']:7.2f}{min(layers):8.2f}-{max(layers):.2f}{heads}   {told}"
        + (f"   RED: {', '.join(red)}" if red else ""),
        flush=True,
    )


_HEADS = (("pooler", 9), ("logits.mlm", 7), ("logits.nsp", 7))

if __name__ == "__main__":
    main()
