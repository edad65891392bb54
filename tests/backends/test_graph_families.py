"""Graphs with states in OpenVINO and ONNX Runtime: tapped and shipped, with a past and without, and what is refused."""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.backends.job import Job
from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError

from .graph_models import runs, transfo_xl

RUNTIMES = ("openvino:f32", "onnxruntime")
VOCABULARY, WIDTH, HEADS, LAYERS = 53, 20, 4, 2
Arrays = dict[str, np.ndarray]
Answer = Callable[[np.ndarray], Arrays]
"""What is expected of whole rows of ids, by the names of taps; vocabulary logits at every position."""


def _pytorch(model: Any, folder: Path, states: Callable[[Any], dict[str, Any]], **given: Any) -> Answer:
    import torch

    model.save_pretrained(folder)

    def answer(ids: np.ndarray) -> Arrays:
        with torch.inference_mode():
            found = model(torch.from_numpy(ids), output_hidden_states=True, **given)
        hidden = {"embeddings": found.hidden_states[0], "layer.0": found.hidden_states[1]}
        taps = {**hidden, "logits.lm": found.logits, **states(found)}
        return {name: value.numpy() for name, value in taps.items()}

    return answer


def _gpt2(folder: Path) -> Answer:
    from transformers import GPT2Config

    sizes = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 16}
    model = runs.hf_model("GPT2LMHeadModel", GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **sizes))
    names = [f"past.{k}.{part}" for k in range(LAYERS) for part in ("key", "value")]
    return _pytorch(model, folder, lambda found: dict(zip(names, itertools.chain(*found.past_key_values), strict=True)))


def _gpt(folder: Path) -> Answer:
    from transformers import OpenAIGPTConfig

    sizes = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 16}
    model = runs.hf_model("OpenAIGPTLMHeadModel", OpenAIGPTConfig(vocab_size=VOCABULARY, **sizes))
    return _pytorch(model, folder, lambda found: {})


def _xlnet(folder: Path) -> Answer:
    from transformers import XLNetConfig

    # In one direction, so that what follows a memory is what would have followed the tokens.
    sizes = {"d_model": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 28, "mem_len": 9, "attn_type": "uni"}
    model = runs.hf_model("XLNetLMHeadModel", XLNetConfig(vocab_size=VOCABULARY, ff_activation="gelu_new", **sizes))
    memories = lambda found: {f"mems.{k}": mem.transpose(0, 1) for k, mem in enumerate(found.mems)}  # noqa: E731
    return _pytorch(model, folder, memories, use_mems=True)


def _transfo_xl(folder: Path) -> Answer:
    config = {**transfo_xl.CONFIG, "vocab_size": VOCABULARY, "mem_len": 9}
    arrays = transfo_xl.weights(config)
    transfo_xl.write_folder(folder, arrays, config, target_class="TransfoXLLMHeadModel")
    original = transfo_xl.Original(arrays, config)
    return lambda ids: {name.replace("new_mems", "mems"): array for name, array in original.run(ids, None).items()}


@dataclass(frozen=True)
class Case:
    make: Callable[[Path], Answer]
    states: tuple[str, ...]
    others: tuple[str, ...] = ()
    vocabulary: str = "logits.lm"


MEMORIES = ("mems.0", "mems.1")
CASES = {
    "gpt2": Case(_gpt2, ("past.0.key", "past.0.value", "past.1.key", "past.1.value"), ("final_norm",)),
    "openai-gpt": Case(_gpt, ()),
    "xlnet": Case(_xlnet, MEMORIES),
    "transfo-xl": Case(_transfo_xl, MEMORIES, vocabulary="log_probs"),
}


@dataclass(frozen=True)
class Made:
    case: Case
    family: str
    answer: Answer
    folder: Path

    @property
    def taps(self) -> tuple[str, ...]:
        return ("embeddings", "layer.0", *self.case.others, *self.case.states, self.case.vocabulary)

    def job(self, runtime: str, *taps: str, **settings: str) -> Job:
        backend, _, variant = runtime.partition(":")
        given = {"taps": taps or self.taps, "head": "lm", "settings": settings}
        where = {"artifact": self.folder, "inputs": (), "out": self.folder}
        return Job(backend=backend, variant=variant, family=self.family, **where, **given)

    def open(self, runtime: str, *taps: str, **settings: str) -> Any:
        job = self.job(runtime, *taps, **settings)
        return importlib.import_module(f"parity.backends.{job.backend}").open(job)

    def states(self, ids: np.ndarray) -> Arrays:
        """What these tokens hand on; the memory is longer than any of them."""
        found = self.answer(ids)
        return {name: np.ascontiguousarray(found[name], np.float32) for name in self.case.states}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Callable[[str], Made]:
    """Both graphs of each architecture, made once."""

    @functools.cache
    def model(name: str) -> Made:
        folder = tmp_path_factory.mktemp(name)
        answer = CASES[name].make(folder)
        for kind in ("openvino", "onnx"):
            importlib.import_module(f"parity.artifacts.{kind}").export(folder, folder)
        return Made(CASES[name], name, answer, folder)

    return model


@pytest.fixture(params=CASES)
def made(request, models) -> Made:
    return models(request.param)


@pytest.fixture(params=[name for name, case in CASES.items() if case.states])
def remembering(request, models) -> Made:
    return models(request.param)


def batch(rows: int = 3, length: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(length)
    ids = rng.integers(0, VOCABULARY, (rows, length))
    return {"input_ids": ids, "logit_positions": rng.integers(0, length, (rows, 2)).astype(np.int32)}


def at(inputs: dict[str, np.ndarray], logits: np.ndarray) -> np.ndarray:
    return np.take_along_axis(logits, inputs["logit_positions"][..., None].astype(np.int64), axis=1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_taps_of_the_twin_are_those_of_the_model(runtime, made):
    inputs, backend = batch(), made.open(runtime)
    wanted, got = made.answer(inputs["input_ids"]), backend.run(inputs, texts=None)
    assert backend.unavailable() == {}
    assert set(got) == set(made.taps)
    for name in set(got) & set(wanted):
        logits = name == made.case.vocabulary
        runs.assert_close(got[name], at(inputs, wanted[name]) if logits else wanted[name])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_shipped_file_gives_the_same_at_its_own_outputs(runtime, made):
    inputs = batch()
    twin, file = made.open(runtime), made.open(runtime, shipped="1")
    assert twin.describe()["graph"] == "tapped"
    assert file.describe()["graph"] == "shipped"
    assert set(file.unavailable()) == {"embeddings", "layer.0", *made.case.others}
    shipped, tapped = file.run(inputs, texts=None), twin.run(inputs, texts=None)
    assert set(shipped) == {made.case.vocabulary, *made.case.states}
    for name, value in shipped.items():
        runs.assert_close(value, tapped[name])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_enters_the_vocabulary_product_is_shown_as_it_enters_it(runtime, made):
    inputs = batch()
    fine = ("log_probs.1.logits", "log_probs.0.input") if made.family == "transfo-xl" else ()
    last = "final_norm" if made.family == "gpt2" else "layer.1"
    both = made.open(runtime, last, "lm.input", made.case.vocabulary).run(inputs, texts=None)
    shown = made.open(runtime, "lm.input", *fine).run(inputs, texts=None)
    for got in (shown, both):
        np.testing.assert_array_equal(got["lm.input"], at(inputs, both[last]))
    for name in fine:
        assert shown[name].shape[:2] == (3, 2)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_states_alone_are_had_from_the_file_untouched(runtime, remembering):
    assert remembering.open(runtime, *remembering.case.states).describe()["graph"] == "shipped"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_states_are_fed_and_count(runtime, remembering):
    whole = batch(2, 9)
    states = remembering.states(whole["input_ids"][:, :5])
    inputs = {"input_ids": whole["input_ids"][:, 5:], "logit_positions": np.asarray([[0, 3], [1, 2]], np.int32)}
    backend = remembering.open(runtime, "layer.0", remembering.case.vocabulary)
    fed = backend.run({**inputs, **states}, texts=None)
    wanted = remembering.answer(whole["input_ids"])
    runs.assert_close(fed["layer.0"], wanted["layer.0"][:, 5:])
    runs.assert_close(fed[remembering.case.vocabulary], at(inputs, wanted[remembering.case.vocabulary][:, 5:]))
    assert np.abs(backend.run(inputs, texts=None)["layer.0"] - fed["layer.0"]).max() > 1e-3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_states_that_do_not_fit_are_refused_before_they_run(runtime, remembering):
    inputs, states = batch(2, 4), remembering.states(batch(2, 5)["input_ids"])
    backend = remembering.open(runtime, "layer.0")
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


@pytest.mark.parametrize("name", ["attention_mask", "token_type_ids", "logit_positions"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_arrays_of_other_shapes_are_refused_before_they_run(runtime, name, made):
    inputs = {**batch(3, 7), name: np.ones((2, 7), np.int64) * (name == "attention_mask")}
    with pytest.raises(ParityError, match=rf"{name} does not fit input_ids.*got \[2, 7\]"):
        made.open(runtime, "layer.0").run(inputs, texts=None)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_states_of_another_architecture_are_refused(runtime, made):
    other = "mems.0" if "past.0.key" in made.case.states else "past.0.key"
    with pytest.raises(ParityError, match=f"the graph has no input {other}"):
        made.open(runtime, "layer.0").run({**batch(), other: np.zeros((3, 4, 5, 5), np.float32)}, texts=None)


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
    for family in {"bert", "openai-gpt"} - {made.family}:
        with pytest.raises(ParityError, match="the graph has other inputs"):
            importlib.import_module(f"parity.backends.{job.backend}").open(Job(**{**vars(job), "family": family}))
    with pytest.raises(ParityError, match="no graphs are known of t5"):
        importlib.import_module(f"parity.backends.{job.backend}").open(Job(**{**vars(job), "family": "t5"}))
