"""A tiny BERT as a TensorFlow checkpoint and as a Hugging Face folder, batches for it, and jobs on fake runtimes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.backends.job import Job
from parity.checkpoints import write_bundle
from parity.families import family
from parity.families.bert.heads import MARKS
from parity.tensorfile import TensorSpec
from parity.traces import TraceBatch, write_batch

FAKES = Path(__file__).parent / "fakes"
SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}
TAPS = ("embeddings", "layer.0", "layer.1", "pooler", "logits.mlm", "logits.nsp")
MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two batches: rows padded right, left and holed; and one row without padding."""
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(5)
    mask = np.ones((3, 9), np.int32)
    mask[0, 6:], mask[1, :4], mask[2, 3:5] = 0, 0, 0
    paths = []
    for number, attended in enumerate((mask, np.ones((1, 5), np.int32))):
        arrays = {
            "input_ids": rng.integers(0, SIZES["vocab_size"], attended.shape, dtype=np.int32),
            "attention_mask": attended,
            "token_type_ids": rng.integers(0, 2, attended.shape, dtype=np.int32),
            "logit_positions": np.stack([np.flatnonzero(row)[[0, -1]].astype(np.int32) for row in attended]),
        }
        paths.append(folder / f"in-{number}.safetensors")
        meta = {"texts": [f"row {row}" for row in range(len(attended))], "name": f"batch {number}"}
        write_batch(paths[-1], TraceBatch({}, arrays, meta))
    return tuple(paths)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Source of a tiny BERT with pre-training heads: prefix and config."""
    folder, rng = tmp_path_factory.mktemp("checkpoint"), np.random.default_rng(7)
    bert = family("bert")
    config = bert.read_config(dict(SIZES), where=folder)
    head = next(h for h in bert.heads([*MARKS["mlm"], *MARKS["nsp"]]) if h.name == "pretraining")
    variables = bert.variables(config, head)
    arrays = ((rng.normal(0, 0.2, v.shape) + (v.role == "gamma")).astype(np.float32) for v in variables)
    write_bundle(folder / "bert.ckpt", [TensorSpec(v.name, "float32", v.shape) for v in variables], arrays)
    (folder / "bert_config.json").write_text(json.dumps(SIZES))
    return {"checkpoint": str(folder / "bert.ckpt"), "config": str(folder / "bert_config.json")}


@pytest.fixture(scope="session")
def reference_job(
    checkpoint: dict[str, str], inputs: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> MakeJob:
    """A job for one of the references."""

    def make(backend: str, variant: str = "", precision: str = "float32", **fields: Any) -> Job:
        given = {
            "family": "bert",
            "head": "pretraining",
            "artifact": Path(checkpoint["checkpoint"]).parent,
            "source": checkpoint,
            "taps": TAPS,
            "inputs": inputs,
            "out": tmp_path_factory.mktemp("out"),
            "threads": 2,
        }
        return Job(backend=backend, variant=variant, precision=precision, **{**given, **fields})

    return make


@pytest.fixture
def fake_job(tmp_path: Path, inputs: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> MakeJob:
    """A job on a runtime module of `fakes/`, with short limits."""
    monkeypatch.setenv("PYTHONPATH", str(FAKES))

    def make(module: str = "well", name: str = "job", **settings: Any) -> Job:
        fields = {key: settings.pop(key) for key in list(settings) if key in Job.__dataclass_fields__}
        given = {
            "backend": "fake",
            "family": "bert",
            "head": "none",
            "artifact": tmp_path,
            "taps": ("embeddings",),
            "inputs": inputs,
            "out": tmp_path / name,
            "settings": settings,
            "module": module,
            "start_timeout_s": 20.0,
            "batch_timeout_s": 20.0,
        }
        return Job(**{**given, **fields})

    return make
