"""Conversion, whole process: against transformers' own loader (BERT-base) and against `cp` (BERT-large).

Ratios within one run are what counts. Prints one line per measure. `--quick` uses small stand-ins.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

OLD_WAY = """
import sys
from transformers import BertConfig, BertForPreTraining
from transformers.models.bert.modeling_bert import load_tf_weights_in_bert
config = BertConfig.from_json_file(sys.argv[2])
model = BertForPreTraining(config)
load_tf_weights_in_bert(model, config, sys.argv[1])
model.save_pretrained(sys.argv[3])
"""
UNHASHED = """
import sys
from pathlib import Path
from parity.artifacts import convert
from parity.models import resolve
convert(resolve(sys.argv[1], config=Path(sys.argv[2]), vocab=Path(sys.argv[3])), Path(sys.argv[4]), hashing=False)
"""


class Took(NamedTuple):
    wall_s: float
    peak_bytes: int


def run(command: list[str]) -> Took:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        said = child.stderr.read().decode() if child.stderr else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} failed:\n{said[-2000:]}")
    return Took(time.perf_counter() - began, usage.ru_maxrss * 1024)


def best(command: list[str], out: Path, times: int) -> Took:
    found = []
    for _ in range(times):
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True) if out.is_file() else None
        found.append(run(command))
    return Took(min(took.wall_s for took in found), max(took.peak_bytes for took in found))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    scale = "small" if options.parse_args().quick else "full"
    from parity.checkpoints import open_checkpoint
    from parity.models import resolve

    with tempfile.TemporaryDirectory(prefix="parity-bench-") as scratch:
        out = Path(scratch) / "out"
        base, large = (resolve(name, scale=scale) for name in ("bert-base-uncased", "bert-large-uncased"))
        arguments = ["--config", str(base.config), "--vocab", str(base.vocab)]
        ours = best([sys.executable, "-m", "parity", "convert", str(base.checkpoint), str(out), *arguments], out, 3)
        old = best([sys.executable, "-c", OLD_WAY, str(base.checkpoint), str(base.config), str(out)], out, 2)
        print(f"BERT-base: parity convert {ours.wall_s:.2f} s, transformers' loader {old.wall_s:.2f} s")
        print(f"  {old.wall_s / ours.wall_s:.1f} times as fast (wanted: at least 8)")

        with open_checkpoint(large.checkpoint) as checkpoint:
            data = checkpoint.files[-1]
            largest = max(entry.nbytes for entry in checkpoint.entries.values())
        copied = best(["cp", str(data), str(out)], out, 5)
        out.unlink()
        arguments = ["--config", str(large.config), "--vocab", str(large.vocab)]
        full = best([sys.executable, "-m", "parity", "convert", str(large.checkpoint), str(out), *arguments], out, 3)
        bare = best(
            [sys.executable, "-c", UNHASHED, str(large.checkpoint), str(large.config), str(large.vocab), str(out)],
            out,
            3,
        )
        limit = 150e6 + 2 * largest
        print(f"BERT-large: cp {copied.wall_s:.2f} s for {data.stat().st_size / 1e9:.2f} GB")
        print(f"  parity convert {full.wall_s:.2f} s = {full.wall_s / copied.wall_s:.1f} times cp (wanted: at most 7)")
        print(f"  hashing off {bare.wall_s:.2f} s = {bare.wall_s / copied.wall_s:.1f} times cp (wanted: at most 3)")
        print(f"  peak memory {full.peak_bytes / 1e6:.0f} MB (wanted: at most {limit / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
