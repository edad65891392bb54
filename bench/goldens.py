"""The references against what the original code computed (TensorFlow 1.15) on the tiny checkpoints in fixtures.

A line per golden and tap: the largest difference from the float64 oracle of the golden, of our TensorFlow (or, without
it, NumPy float32) run, and the golden's error as a multiple of ours: 1 means the original rounded as we do.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from parity.artifacts import Choices
from parity.backends import RUNTIMES, status
from parity.inputs.files import read_inputs, write_inputs
from parity.inputs.fixtures import fixtures_root
from parity.runs.tracing import trace
from parity.tensorfile import Array
from parity.traces import batch_paths, read_batch

NAMES = {
    "embedding_output": "embeddings",
    "pooled_output": "pooler",
    "mlm_logits": "logits.mlm",
    "nsp_logits": "logits.nsp",
}


def traced(golden: Path, inputs: Path, backend: str, activation: str, scratch: Path) -> dict[str, Array]:
    out = scratch / backend.replace(":", "-")
    chosen = Choices(activation=activation, head="pretraining")
    trace(str(golden / "bert_model.ckpt"), inputs, out, backend=backend, choices=chosen, all_positions=True)
    return {name: array.astype(np.float64) for name, array in read_batch(batch_paths(out)[0]).taps.items()}


def main() -> None:
    source = "tensorflow" if status(RUNTIMES["tensorflow"]).state == "ready" else "tensorflow:numpy"
    print(f"{'golden':<18} {'tap':<11} {'|golden-oracle|':>15} {'|ours-oracle|':>14} {'ratio':>6}   ours: {source}")
    for golden in sorted((fixtures_root() / "goldens").glob("bert_*")):
        meta = json.loads((golden / "meta.json").read_text(encoding="utf-8"))
        arrays = np.load(golden / "golden.npz")
        mask = arrays["input_mask"]
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            given = {"input_ids": "input_ids", "attention_mask": "input_mask", "token_type_ids": "segment_ids"}
            np.savez(scratch / "raw.npz", **{ours: arrays[theirs] for ours, theirs in given.items()})
            config = meta["config"]
            limits = {"vocab_size": config["vocab_size"], "positions": config["max_position_embeddings"]}
            batch = read_inputs(scratch / "raw.npz", token_types=config["type_vocab_size"], **limits)[0]
            write_inputs(scratch / "inputs.npz", batch)
            oracle = traced(golden, scratch / "inputs.npz", "oracle", meta["gelu"], scratch)
            ours = traced(golden, scratch / "inputs.npz", source, meta["gelu"], scratch)
        layers = {f"layer_{i}": f"layer.{i}" for i in range(config["num_hidden_layers"])}
        for theirs, tap in {**NAMES, **layers}.items():
            real = mask == 1 if oracle[tap].ndim == 3 else np.ones(len(mask), bool)
            golden_error = (arrays[theirs].astype(np.float64) - oracle[tap])[real]
            our_error = (ours[tap] - oracle[tap])[real]
            ratio = np.sqrt((golden_error**2).mean() / (our_error**2).mean())
            worst = [f"{np.abs(error).max():.2e}" for error in (golden_error, our_error)]
            print(f"{golden.name:<18} {tap:<11} {worst[0]:>15} {worst[1]:>14} {ratio:>6.2f}")


if __name__ == "__main__":
    main()
