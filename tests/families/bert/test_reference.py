"""The reference against what the original authors' code computed (float32, TensorFlow 1.15), in float64 on NumPy.

Deviations are in units of float32's epsilon times the tap's own size (rms), so that 1 is one rounding.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bert_names import ALIKE
from small_bert import CYRILLIC, ERF, arrays, write_source

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.checkpoints import open_checkpoint
from parity.families import family
from parity.families.values import Config, Head
from parity.tensorfile import Array

BERT = family("bert")
EPSILON = float(np.finfo(np.float32).eps)
CASES = (ERF, CYRILLIC)


def named(head: str) -> Head:
    return next(one for one in BERT.all_heads if one.name == head)


def golden(case: Path) -> dict[str, Array]:
    """What the original computed, by tap."""
    kept = np.load(case / "golden.npz")
    taps = {"embeddings": "embedding_output", "pooler": "pooled_output"}
    taps |= {"logits.mlm": "mlm_logits", "logits.nsp": "nsp_logits"}
    for i in range(3):
        taps[f"layer.{i}"] = f"layer_{i}"
        if f"attn_probs_{i}" in kept:
            taps[f"layer.{i}.attention.probs"] = f"attn_probs_{i}"
    return {tap: kept[key] for tap, key in taps.items()}


@functools.cache
def computed(case: Path, activation: str = "erf", dtype: str = "float64") -> dict[str, Array]:
    kept = np.load(case / "golden.npz")
    rows, length = kept["input_ids"].shape
    inputs = {
        "input_ids": kept["input_ids"],
        "attention_mask": kept["input_mask"],
        "token_type_ids": kept["segment_ids"],
        "logit_positions": np.tile(np.arange(length), (rows, 1)),
    }
    path = case / "bert_config.json"
    config = BERT.read_config(json.loads(path.read_text()), where=path, activation=activation)
    return forward(case, config, inputs, list(golden(case)), dtype=dtype)


def forward(
    case: Path,
    config: Config,
    inputs: dict[str, Array],
    taps: list[str],
    *,
    head: str = "pretraining",
    dtype: str = "float64",
) -> dict[str, Array]:
    chosen = next(one for one in BERT.all_heads if one.name == head)
    with open_checkpoint(case) as checkpoint:
        return walk(BERT.stages(config, chosen), NumpyOps(checkpoint.read, np.dtype(dtype)), inputs, taps)


def noise(ours: Array, theirs: Array) -> tuple[float, float]:
    """rms and max of the deviation, in roundings."""
    deviation = ours.astype(np.float64) - theirs
    size = np.sqrt(np.mean(theirs.astype(np.float64) ** 2))
    return float(np.sqrt(np.mean(deviation**2)) / size / EPSILON), float(np.abs(deviation).max() / size / EPSILON)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_station_is_the_originals_up_to_rounding(
    case: Path, record_property: Callable[[str, object], None]
) -> None:
    exact, theirs, single = computed(case), golden(case), computed(case, dtype="float32")
    assert exact.keys() == theirs.keys()
    assert ("layer.2.attention.probs" in theirs) == (case == ERF)
    for tap, expected in theirs.items():
        assert exact[tap].shape == expected.shape
        assert exact[tap].dtype == np.float64
        assert single[tap].dtype == np.float32
        (rms, largest), (ours, _) = noise(exact[tap], expected), noise(exact[tap], single[tap])
        figures = f"original against oracle: rms {rms:.2f}, max {largest:.1f} roundings; our float32: rms {ours:.2f}"
        record_property(f"{case.name} {tap}", figures)
        print(f"{case.name} {tap}: {figures}")  # noqa: T201 - read with -s
        assert 0 < rms < 12, tap
        assert np.abs(exact[tap] - expected).max() < 5e-6, tap
        if expected.size >= 64:
            assert 1 / 1.5 < rms / ours < 1.5, f"{tap}: the original's float32 is not as far off as ours"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_other_gelu_is_far_beyond_rounding_at_every_layer(case: Path) -> None:
    wrong, right, theirs = computed(case, "tanh"), computed(case), golden(case)
    np.testing.assert_array_equal(wrong["embeddings"], right["embeddings"])
    for tap in ("layer.0", "layer.1", "layer.2", "pooler", "logits.mlm"):
        assert np.abs(wrong[tap] - theirs[tap]).max() > 1e-4, tap
        assert np.abs(right[tap] - theirs[tap]).max() < 1e-5, tap


@pytest.fixture(scope="module")
def batch() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    mask = np.ones((2, 6), np.int32)
    mask[1, 4:] = 0
    return {
        "input_ids": rng.integers(0, 59, (2, 6), np.int32),
        "attention_mask": mask,
        "token_type_ids": np.array([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 0, 0]], np.int32),
        "logit_positions": np.array([[5, 0], [3, 3]], np.int32),
    }


@pytest.fixture(scope="module")
def config() -> Config:
    from small_bert import CONFIG

    return BERT.read_config(CONFIG, where=Path("bert_config.json"))


def by_hand(weights: dict[str, Array], batch: dict[str, Array], act: Callable[[Array], Array]) -> dict[str, Array]:
    """The same model, written another way: einsum over heads, boolean mask, textbook LayerNorm."""
    from scipy.special import softmax

    w = {name: array.astype(np.float64) for name, array in weights.items()}

    def norm(x: Array, scope: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt(np.mean(centred**2, -1, keepdims=True) + 1e-12)
        return centred / spread * w[f"{scope}/LayerNorm/gamma"] + w[f"{scope}/LayerNorm/beta"]

    def dense(x: Array, scope: str) -> Array:
        return np.einsum("...i,io->...o", x, w[f"{scope}/kernel"]) + w[f"{scope}/bias"]

    e = "bert/embeddings"
    x = w[f"{e}/word_embeddings"][batch["input_ids"]] + w[f"{e}/token_type_embeddings"][batch["token_type_ids"]]
    x = norm(x + w[f"{e}/position_embeddings"][: x.shape[1]], e)
    taps = {"embeddings": x}
    for i in range(2):
        scope = f"bert/encoder/layer_{i}"
        q, k, v = (dense(x, f"{scope}/attention/self/{part}").reshape(2, 6, 2, 4) for part in ("query", "key", "value"))
        scores = np.einsum("bqnd,bknd->bnqk", q, k) / 2.0
        scores = np.where(batch["attention_mask"][:, None, None, :] == 1, scores, scores - 10000.0)
        context = np.einsum("bnqk,bknd->bqnd", softmax(scores, axis=-1), v).reshape(2, 6, 8)
        attended = norm(dense(context, f"{scope}/attention/output/dense") + x, f"{scope}/attention/output")
        inner = act(dense(attended, f"{scope}/intermediate/dense"))
        x = norm(dense(inner, f"{scope}/output/dense") + attended, f"{scope}/output")
        taps[f"layer.{i}"] = x
    taps["pooler"] = np.tanh(dense(x[:, 0], "bert/pooler/dense"))
    return taps


@pytest.mark.parametrize(
    ("activation", "act"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("linear", lambda x: x),
        ("gelu_tanh", lambda x: x / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    ],
)
@pytest.mark.parametrize("head", ["classifier", "token-classifier", "multiple-choice", "qa", "nsp", "none"])
def test_other_heads_and_activations_are_what_the_definition_says(
    tmp_path: Path, config: Config, batch: dict[str, Array], activation: str, act: Callable[[Array], Array], head: str
) -> None:
    kept, labels = ALIKE.get(head, head), 1 if head == "multiple-choice" else 3
    folder = write_source(tmp_path / "c", kept, labels=labels)
    weights = arrays(kept, labels=labels)
    expected = by_hand(weights, batch, act)
    if head == "token-classifier":
        expected["logits.tokens"] = expected["layer.1"] @ weights["output_weights"].T + weights["output_bias"]
    if head in ("classifier", "multiple-choice"):
        expected["logits.classifier"] = expected["pooler"] @ weights["output_weights"].T + weights["output_bias"]
    if head == "nsp":
        scope = "cls/seq_relationship/output"
        expected["logits.nsp"] = expected["pooler"] @ weights[f"{scope}_weights"].T + weights[f"{scope}_bias"]
    if head == "qa":
        scope = "cls/squad/output"
        expected["logits.qa"] = expected["layer.1"] @ weights[f"{scope}_weights"].T + weights[f"{scope}_bias"]
    ours = forward(folder, replace(config, activation=activation), batch, list(expected), head=head)
    for tap, array in expected.items():
        np.testing.assert_allclose(ours[tap], array, rtol=0, atol=1e-12, err_msg=tap)
    assert sorted(expected) == sorted(
        tap.name for tap in BERT.taps(config, next(h for h in BERT.all_heads if h.name == head))
    )


def test_vocabulary_logits_are_taken_at_the_positions_asked_for(
    tmp_path: Path, config: Config, batch: dict[str, Array]
) -> None:
    folder = write_source(tmp_path / "c")
    everywhere = {**batch, "logit_positions": np.tile(np.arange(6), (2, 1))}
    few = forward(folder, config, batch, ["logits.mlm"])["logits.mlm"]
    full = forward(folder, config, everywhere, ["logits.mlm"])["logits.mlm"]
    assert few.shape == (2, 2, 59)
    np.testing.assert_allclose(few[0], full[0, [5, 0]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(few[1], full[1, [3, 3]], rtol=0, atol=1e-13)


def test_what_is_masked_does_not_matter_and_what_is_not_does(
    tmp_path: Path, config: Config, batch: dict[str, Array]
) -> None:
    folder = write_source(tmp_path / "c")
    right = forward(folder, config, batch, ["layer.1"])["layer.1"]
    other = {**batch, "input_ids": batch["input_ids"].copy()}
    other["input_ids"][1, 4:] = 3
    again = forward(folder, config, other, ["layer.1"])["layer.1"]
    np.testing.assert_array_equal(again[0], right[0])
    np.testing.assert_array_equal(again[1, :4], right[1, :4])
    assert np.abs(again[1, 4:] - right[1, 4:]).max() > 0.01


def test_what_is_masked_is_pushed_down_by_ten_thousand(tmp_path: Path, config: Config, batch: dict[str, Array]) -> None:
    """As the original has it: a row with nothing real then attends as if nothing were masked, and is no NaN."""
    folder = write_source(tmp_path / "c")
    nothing = {**batch, "attention_mask": np.zeros_like(batch["attention_mask"])}
    open_ = {**batch, "attention_mask": np.ones_like(batch["attention_mask"])}
    tap = "layer.0.attention.scores"
    masked, free = (forward(folder, config, inputs, [tap])[tap] for inputs in (nothing, open_))
    np.testing.assert_allclose(masked, free - 10000.0, rtol=0, atol=1e-9)
    part = forward(folder, config, batch, [tap])[tap]
    np.testing.assert_allclose(part[1, :, :, 4:], free[1, :, :, 4:] - 10000.0, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(part[1, :, :, :4], free[1, :, :, :4])
    last = [forward(folder, config, inputs, ["layer.1"])["layer.1"] for inputs in (nothing, open_)]
    np.testing.assert_allclose(*last, rtol=0, atol=1e-9)
