"""How many generated examples it takes to find faults that only some inputs show: `python bench/generated.py`.

Each fault is put into the PyTorch artifact by hand, and looked for under several seeds; a sound artifact is searched
beside them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from parity.backends import RUNTIMES
from parity.inputs import strategies
from parity.inputs.batch import Batch
from parity.runs.generated_states import States, shorter
from parity.runs.hunting import Look, Plan, hunt
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench
from parity.tensorfile import Array, map_tensors, read_specs, write_tensors

Weights = dict[str, Array]
TABLES = "bert.embeddings.{}_embeddings.weight"


def row(table: str, number: int) -> Callable[[Weights], None]:
    """One row of a table of embeddings is another's."""

    def change(weights: Weights) -> None:
        rows = weights[TABLES.format(table)]
        rows[number] = rows[number - 1]

    return change


def faults(workbench: Workbench) -> Mapping[str, Callable[[Weights], None]]:
    """Changes that the fixed inputs do not, or hardly, show."""
    config, fed = workbench.outline.config, set()
    for batch in workbench.batches:
        fed |= set(np.unique(batch.arrays["input_ids"]).tolist())
    untouched = [number for number in range(1, config.vocab_size) if number not in fed]
    found = {
        f"word row {number} of {config.vocab_size}": row("word", number)
        for number in (untouched[len(untouched) // 2], config.vocab_size - 1)
        if number in untouched
    }
    near_end = config.positions * 3 // 5
    return {
        **found,
        f"position row {near_end} of {config.positions}": row("position", near_end),
        f"position row {config.positions - 1} of {config.positions}": row("position", config.positions - 1),
        "token type row 1": row("token_type", 1),
    }


def damaged(pytorch: Path, folder: Path, change: Callable[[Weights], None]) -> Path:
    """A copy of the artifact with changed weights."""
    shutil.copytree(pytorch, folder)
    path = folder / "model.safetensors"
    weights = {name: array.copy() for name, array in map_tensors(path).items()}
    change(weights)
    specs = [spec for spec, _ in read_specs(path)[1].values()]
    write_tensors(path, specs, [weights[spec.name] for spec in specs], metadata={"format": "pt"})
    return folder


def search(workbench: Workbench, runtime: str, plan: Plan) -> tuple[int | None, Batch | None, float, int]:
    """Examples until the fault was found (None: it was not), the shortest, the largest share of a limit, how many."""
    config, largest = workbench.outline.config, 0.0
    with closing(States(workbench.model, [RUNTIMES[runtime]])) as live:
        live.load()

        def look(batch: Batch) -> Mapping[str, Look]:
            nonlocal largest
            seen = live.look(batch)
            largest = max(largest, *(one.excess for one in seen.values()))
            return {name: Look(one.broken, one.excess) for name, one in seen.items()}

        of = strategies.batches(
            workbench.model.tokenizer,
            vocab_size=config.vocab_size,
            positions=config.positions,
            token_types=config.token_types,
        )
        found = hunt(of, look, size=shorter, plan=plan)
    return found.first.get(runtime), found.shortest.get(runtime), largest, found.examples


def main() -> None:
    """Print one line a fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="rubert")
    parser.add_argument("--scale", default="tiny", choices=("tiny", "small", "full"))
    parser.add_argument("--runtime", default="torch:eager")
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.examples, given.seeds = 30, 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bench = Workbench(given.model, folder=folder, options=RunOptions(scale=given.scale, threads=2))
        pytorch = bench.model.artifact("pytorch")
        for name, change in {**faults(bench), "sound": lambda weights: None}.items():
            bench.model.artifacts.take("pytorch", damaged(pytorch, folder / name.replace(" ", "-"), change))
            first: list[int] = []
            shapes, largest, began, looked = set(), 0.0, time.perf_counter(), 0
            for seed in range(given.seeds):
                plan = Plan(given.examples, seed)
                found, shortest, most, examples = search(bench, given.runtime, plan)
                first += [found] if found is not None else []
                shapes |= {shortest.arrays["input_ids"].shape} if shortest is not None else set()
                largest, looked = max(largest, most), looked + examples
            told = f"median {statistics.median(first):g}, max {max(first)}" if first else "never"
            each = (time.perf_counter() - began) / max(looked, 1)
            print(
                f"{name:28} found {len(first)} of {given.seeds}: {told}; shrunk to {sorted(shapes)}; largest "
                f"{largest:.2f} of a limit; {looked} examples, {each * 1e3:.0f} ms each",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
