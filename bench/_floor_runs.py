"""Models, sound runs and faulty runs that `bench/floor.py` measures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from parity.artifacts.source import Choices, understand
from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.backends.scheduler import Scheduler
from parity.checkpoints import open_checkpoint, write_bundle
from parity.families.values import Tap
from parity.inputs.batch import Batch
from parity.inputs.batches import build_batches
from parity.inputs.wordpiece import Tokenizer
from parity.models import Source, resolve
from parity.models.weights import draw, specs
from parity.tensorfile import Array, TensorSpec
from parity.traces import TraceBatch, batch_path, batch_paths, read_batch, write_batch

GOLDENS = Path(__file__).parents[1] / "fixtures" / "goldens"
Trace = list[TraceBatch]
Change = Callable[[dict[str, Array]], None]
NUMPY = {"backend": "tensorflow", "variant": "numpy", "module": "parity.backends.oracle"}


# -- models ---------------------------------------------------------------------------------------------------------


def model(name: str, folder: Path) -> Source:
    if name.startswith("golden:"):
        return resolve(str(GOLDENS / name.removeprefix("golden:")))
    return resolve(str(trained(folder))) if name == "trained" else resolve(name, scale="small")


def trained(folder: Path) -> Path:
    """Six layers of 384 over the small stand-in's vocabulary, spoilt as training spoils."""
    plain = resolve("rubert", scale="small")
    raw = json.loads(plain.config.read_text())
    raw |= {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
    raw |= {"max_position_embeddings": 96}
    folder.mkdir(parents=True)
    (folder / "bert_config.json").write_text(json.dumps(raw))
    shutil.copy(plain.vocab, folder / "vocab.txt")
    understood = understand(plain, Choices())
    understood.checkpoint.close()
    config = understood.family.read_config(raw, where=folder)
    variables = understood.family.variables(config, understood.head)
    wanted = specs(variables, ())
    held = {spec.name: array for spec, array in zip(wanted, draw(wanted, variables, seed="trained"), strict=True)}
    rng = np.random.default_rng(0)
    for name, array in held.items():
        if name.endswith("kernel"):
            array *= rng.standard_gamma(2.0, array.shape).astype(np.float32) / 2  # tails, as training leaves them
        elif name.endswith("gamma"):
            array *= np.exp(rng.normal(0, 0.4, array.shape)).astype(np.float32)
            array[[7, 200]] = -4.8e-33
    held["bert/encoder/layer_3/output/dense/kernel"][99, 99] = 6.24
    held["bert/embeddings/word_embeddings"][101, 50] = 30.0
    write(folder / "bert_model.ckpt", held)
    return folder


def write(prefix: Path, held: Mapping[str, Array]) -> None:
    write_bundle(
        prefix, [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()], held.values()
    )


def changed(source: Source, folder: Path, change: Change) -> Path:
    with open_checkpoint(source.checkpoint) as checkpoint:
        held = {name: checkpoint.read(name).copy() for name in checkpoint.entries if "/adam" not in name.lower()}
    change(held)
    folder.mkdir(parents=True)
    write(folder / "bert_model.ckpt", held)
    return folder / "bert_model.ckpt"


def batches(source: Source, positions: int, token_types: int, vocabulary: Tokenizer, *, quick: bool) -> list[Batch]:
    if source.checkpoint.is_relative_to(GOLDENS):
        golden = np.load(source.checkpoint.parent / "golden.npz")
        mask = golden["input_mask"]
        at = np.stack([np.resize(np.flatnonzero(row), 8).astype(np.int32) for row in mask])
        fed = {"input_ids": golden["input_ids"], "attention_mask": mask, "token_type_ids": golden["segment_ids"]}
        return [Batch("golden", {**fed, "logit_positions": at}, None)]
    built = build_batches(vocabulary, positions=min(positions, 96), token_types=token_types)
    return [batch for batch in built if batch.kind in ("paired", "one-token")] if quick else list(built)


# -- runs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    source: Source
    scratch: Path
    taps: tuple[Tap, ...]
    job: Job
    """What all jobs have in common: the reference on the source."""
    scheduler: Scheduler

    def run(self, label: str, **fields: object) -> Trace:
        job = replace(self.job, out=self.scratch / "out" / label.replace(" ", "-"), **fields)  # type: ignore[arg-type]
        runner = InProcess() if job.module else self.scheduler
        runner.submit([job])
        outcome = runner.result(job)
        assert outcome.ok, f"{label}: {outcome.reason}\n{outcome.stderr_tail}"
        return [read_batch(path) for path in batch_paths(outcome.traces)]

    def inputs(self, label: str, change: Callable[[Mapping[str, Array]], list[dict[str, Array]]]) -> tuple[Path, ...]:
        folder = self.scratch / "inputs" / label
        fed = [new for path in self.job.inputs for new in change(read_batch(path).inputs)]
        for number, arrays in enumerate(fed):
            write_batch(batch_path(folder, number), TraceBatch({}, arrays))
        return tuple(batch_path(folder, number) for number in range(len(fed)))


def alone(fed: Mapping[str, Array]) -> list[dict[str, Array]]:
    """Every row by itself, without the padding on its right."""
    lengths = [int(np.flatnonzero(row).max(initial=0)) + 1 for row in fed["attention_mask"]]
    return [
        {
            name: array[i : i + 1, : array.shape[1] if name == "logit_positions" else length]
            for name, array in fed.items()
        }
        for i, length in enumerate(lengths)
    ]


def padded(fed: Mapping[str, Array], positions: int) -> list[dict[str, Array]]:
    more = ((0, 0), (0, min(7, positions - fed["input_ids"].shape[1])))
    return [{name: array if name == "logit_positions" else np.pad(array, more) for name, array in fed.items()}]


def backwards(fed: Mapping[str, Array]) -> list[dict[str, Array]]:
    return [{name: np.ascontiguousarray(array[::-1]) for name, array in fed.items()}]


def joined(trace: Trace, like: Trace) -> Trace:
    left, found = list(trace), []
    for batch in like:
        rows = [left.pop(0) for _ in range(len(batch.inputs["input_ids"]))]
        taps = {name: np.concatenate([fitted(row.taps[name], v) for row in rows]) for name, v in batch.taps.items()}
        found.append(TraceBatch(taps, batch.inputs))
    return found


def cut(trace: Trace, like: Trace) -> Trace:
    return [
        TraceBatch({name: fitted(new.taps[name], value) for name, value in old.taps.items()}, old.inputs)
        for new, old in zip(trace, like, strict=True)
    ]


def fitted(value: Array, like: Array) -> Array:
    """As many positions as the other: cut, or filled with zeros where there was padding."""
    if value.ndim < 3:
        return value
    return np.pad(value[:, : like.shape[1]], ((0, 0), (0, max(0, like.shape[1] - value.shape[1])), (0, 0)))


def turned(trace: Trace, like: Trace) -> Trace:
    return [
        TraceBatch({n: v[::-1] for n, v in new.taps.items()}, old.inputs) for new, old in zip(trace, like, strict=True)
    ]


def sound(bench: Bench, artifacts: Mapping[str, Path], oracle: Trace, positions: int) -> Iterator[tuple[str, Trace]]:
    yield "numpy", bench.run("numpy", **NUMPY)
    if not artifacts:
        return
    for name, kind in (("torch:eager", "pytorch"), ("torch:sdpa", "pytorch"), ("openvino:f32", "openvino")):
        backend, _, variant = name.partition(":")
        common = {"backend": backend, "variant": variant, "artifact": artifacts[kind]}
        yield name, bench.run(name, **common)
        yield f"{name} 1 thread", bench.run(f"{name} 1", **common, threads=1)
    onnx = {"backend": "onnxruntime", "artifact": artifacts["onnx"]}
    yield "onnxruntime", bench.run("onnxruntime", **onnx)
    yield "onnxruntime:none", bench.run("onnxruntime none", **onnx, variant="none")
    for name, fields in (
        ("torch:eager", {"backend": "torch", "variant": "eager", "artifact": artifacts["pytorch"]}),
        ("onnxruntime", onnx),
    ):
        for label, change, back in (
            ("rows alone", alone, joined),
            ("padded", partial(padded, positions=positions), cut),
            ("rows backwards", backwards, turned),
        ):
            inputs = bench.inputs(label.replace(" ", "-"), change)
            yield f"{name} {label}", back(bench.run(f"{name} {label}", **fields, inputs=inputs), oracle)


def faulty(bench: Bench, layers: int) -> Iterator[tuple[str, Trace]]:
    middle = layers // 2
    scope = f"bert/encoder/layer_{middle}"

    def source(**fields: str) -> dict[str, str]:
        return {**bench.job.source, **fields}

    raw = json.loads(bench.source.config.read_text())
    config = bench.scratch / "eps.json"
    for epsilon in (1e-6, 1e-7):
        config.write_text(json.dumps({**raw, "layer_norm_eps": epsilon}))
        yield f"eps {epsilon:g}", bench.run(f"eps {epsilon:g}", **NUMPY, source=source(config=str(config)))
    yield "tanh GELU", bench.run("tanh", **NUMPY, source=source(activation="tanh"))

    def faults() -> Iterator[tuple[str, Change]]:
        yield "value bias dropped", lambda held: held[f"{scope}/attention/self/value/bias"].fill(0)
        yield "key bias dropped", lambda held: held[f"{scope}/attention/self/key/bias"].fill(0)
        kernels = ("attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense")
        for part in (*kernels, "intermediate/dense", "output/dense"):
            yield f"{part} weight, 11th bit", lambda held, part=part: one_weight(held[f"{scope}/{part}/kernel"])

    for number, (label, change) in enumerate(faults()):
        prefix = changed(bench.source, bench.scratch / f"fault-{number}", change)
        yield label, bench.run(label.replace("/", "-"), **NUMPY, source=source(checkpoint=str(prefix)))


def one_weight(kernel: Array) -> None:
    row, column = (int(i) for i in np.random.default_rng(4).integers(0, kernel.shape))
    kernel[row, column] *= np.float32(1 + 2.0**-10)
