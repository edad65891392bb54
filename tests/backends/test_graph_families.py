"""Graphs with states in OpenVINO and ONNX Runtime: tapped and shipped, with a past and without, and what is refused."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.backends.job import Job
from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError

from .graph_models import runs

RUNTIMES = ("openvino:f32", "onnxruntime")
VOCABULARY, WIDTH, HEADS, LAYERS = 53, 20, 4, 2


def _gpt2() -> Any:
    from transformers import GPT2Config

    sizes = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 16}
    return runs.hf_model("GPT2LMHeadModel", GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **sizes))


def _gpt2_pasts(answer: Any, upto: int) -> dict[str, np.ndarray]:
    return {
        f"past.{k}.{part}": value.numpy()[:, :, :upto]
        for k, pair in enumerate(answer.past_key_values)
        for part, value in zip(("key", "value"), pair, strict=True)
    }


@dataclass(frozen=True)
class Case:
    make: Callable[[], Any]
    states: Callable[[Any, int], dict[str, np.ndarray]]
    """What the first tokens hand on, read off PyTorch's answer to them."""
    taps: tuple[str, ...]
    vocabulary: str


CASES = {
    "gpt2": Case(_gpt2, _gpt2_pasts, ("embeddings", "layer.0", "final_norm", "past.0.key", "past.1.value"), "logits.lm")
}


@dataclass(frozen=True)
class Made:
    case: Case
    family: str
    model: Any
    folder: Path

    def job(self, runtime: str, *taps: str, **settings: str) -> Job:
        backend, _, variant = runtime.partition(":")
        given = {"taps": taps or (*self.case.taps, self.case.vocabulary), "head": "lm", "settings": settings}
        return Job(
            backend=backend,
            variant=variant,
            family=self.family,
            artifact=self.folder,
            inputs=(),
            out=self.folder,
            **given,
        )

    def open(self, runtime: str, *taps: str, **settings: str) -> Any:
        job = self.job(runtime, *taps, **settings)
        return importlib.import_module(f"parity.backends.{job.backend}").open(job)

    def answer(self, ids: np.ndarray) -> Any:
        import torch

        with torch.inference_mode():
            return self.model(torch.from_numpy(ids), output_hidden_states=True)


@pytest.fixture(scope="module", params=CASES)
def made(request, tmp_path_factory) -> Made:
    case = CASES[request.param]
    model, folder = case.make(), tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    for kind in ("openvino", "onnx"):
        importlib.import_module(f"parity.artifacts.{kind}").export(folder, folder)
    return Made(case, request.param, model, folder)


def batch(rows: int = 3, length: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(length)
    ids = rng.integers(0, VOCABULARY, (rows, length))
    return {"input_ids": ids, "logit_positions": rng.integers(0, length, (rows, 2)).astype(np.int32)}


def at(inputs: dict[str, np.ndarray], logits: np.ndarray) -> np.ndarray:
    return np.take_along_axis(logits, inputs["logit_positions"][..., None].astype(np.int64), axis=1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_taps_of_the_twin_are_those_of_pytorch(runtime, made):
    inputs = batch()
    backend = made.open(runtime)
    answer = made.answer(inputs["input_ids"])
    got = backend.run(inputs, texts=None)
    assert backend.unavailable() == {}
    assert set(got) == {*made.case.taps, made.case.vocabulary}
    runs.assert_close(got["embeddings"], answer.hidden_states[0].numpy())
    runs.assert_close(got["layer.0"], answer.hidden_states[1].numpy())
    runs.assert_close(got[made.case.vocabulary], at(inputs, answer.logits.numpy()))
    for name, value in made.case.states(answer, inputs["input_ids"].shape[1]).items():
        if name in got:
            runs.assert_close(got[name], value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_shipped_file_gives_the_same_at_its_own_outputs(runtime, made):
    inputs = batch()
    twin, file = made.open(runtime), made.open(runtime, shipped="1")
    assert twin.describe()["graph"] == "tapped"
    assert file.describe()["graph"] == "shipped"
    assert set(file.unavailable()) == {"embeddings", "layer.0", "final_norm"} & set(made.case.taps)
    shipped, tapped = file.run(inputs, texts=None), twin.run(inputs, texts=None)
    assert made.case.vocabulary in shipped
    for name, value in shipped.items():
        runs.assert_close(value, tapped[name])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_states_are_fed_and_count(runtime, made):
    whole = batch(2, 9)
    states = made.case.states(made.answer(whole["input_ids"][:, :5]), 5)
    inputs = {"input_ids": whole["input_ids"][:, 5:], "logit_positions": np.asarray([[0, 3], [1, 2]], np.int32)}
    backend = made.open(runtime, "layer.0", made.case.vocabulary)
    fed = backend.run({**inputs, **states}, texts=None)
    wanted = made.answer(whole["input_ids"])
    runs.assert_close(fed["layer.0"], wanted.hidden_states[1].numpy()[:, 5:])
    runs.assert_close(fed[made.case.vocabulary], at(inputs, wanted.logits.numpy()[:, 5:]))
    assert np.abs(backend.run(inputs, texts=None)["layer.0"] - fed["layer.0"]).max() > 1e-3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_states_that_do_not_fit_are_refused_before_they_run(runtime, made):
    inputs = batch(2, 4)
    states = made.case.states(made.answer(batch(2, 5)["input_ids"]), 5)
    backend = made.open(runtime, "layer.0")
    (first, array), *others = states.items()
    with pytest.raises(ParityError, match=rf"the batch has no {first}"):
        backend.run({**inputs, **dict(others)}, texts=None)
    with pytest.raises(ParityError, match=r"the graph has no input past\.9\.key"):
        backend.run({**inputs, **states, "past.9.key": array}, texts=None)
    with pytest.raises(ParityError, match=rf"{first} has another shape.*got \[1, "):
        backend.run({**inputs, **states, first: array[:1]}, texts=None)
    short = array[:, :, 1:] if array.ndim == 4 else array[:, 1:]
    with pytest.raises(ParityError, match=r"several lengths.*\[4, 5\]"):
        backend.run({**inputs, **states, first: short}, texts=None)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_batches_that_a_graph_has_no_input_for_are_declared_skips(runtime, made):
    inputs, backend = batch(2, 4), made.open(runtime, "layer.0")
    masked = "attention_mask" in backend._shapes
    right, left = np.asarray([[1, 1, 0, 0], [1, 1, 1, 1]]), np.asarray([[0, 1, 1, 1], [1, 1, 1, 1]])
    backend.run({**inputs, "attention_mask": right, "token_type_ids": 0 * right}, texts=None)
    for name in ("perm_mask", "target_mapping"):
        with pytest.raises(BatchSkipped, match="one stream of attention"):
            backend.run({**inputs, name: np.zeros((2, 4, 4), np.float32)}, texts=None)
    if not masked:
        with pytest.raises(BatchSkipped, match="no attention mask"):
            backend.run({**inputs, "attention_mask": left}, texts=None)
        with pytest.raises(BatchSkipped, match="no token types"):
            backend.run({**inputs, "token_type_ids": right}, texts=None)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_graph_of_another_architecture_is_refused(runtime, made):
    job = made.job(runtime, "layer.0")
    for family in ("bert", "openai-gpt"):
        with pytest.raises(ParityError, match="the graph has other inputs"):
            importlib.import_module(f"parity.backends.{job.backend}").open(Job(**{**vars(job), "family": family}))
    with pytest.raises(ParityError, match="no graphs are known of t5"):
        importlib.import_module(f"parity.backends.{job.backend}").open(Job(**{**vars(job), "family": "t5"}))
