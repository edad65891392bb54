"""The reference against what the original authors' code computed (float32, TensorFlow 1.15), trained and as published.

Deviations are in units of float32's epsilon times the tap's own size (rms), so that 1 is one rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_gpt import GOLDEN, HPARAMS, OPTIONS, TRAINED, arrays, gelu, write_source

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families.openai_gpt import FAMILY as GPT
from parity.families.openai_gpt.config import GptConfig
from parity.families.openai_gpt.heads import ALL_HEADS, CHOICE, LM, NONE
from parity.families.values import Head
from parity.tensorfile import Array

EPSILON = float(np.finfo(np.float32).eps)
Read = Callable[[str], Array]


def golden() -> dict[str, Array]:
    """What the original computed, by tap; of the vocabulary's product the tokens' columns."""
    kept = np.load(GOLDEN / "golden.npz")
    layers = {f"layer.{i}": kept[f"layer_{i}"] for i in range(HPARAMS["n_layer"])}
    tokens = HPARAMS["n_vocab"] + HPARAMS["n_special"]
    return {
        "embeddings": kept["embedding_output"],
        **layers,
        "logits.lm": kept["lm_logits_full"][..., :tokens],
        "logits.classifier": kept["clf_logits"].reshape(-1, 1),
    }


def config(*, joined: bool = True) -> GptConfig:
    raw = {key: HPARAMS[key] for key in ("n_embd", "n_head", "n_layer", "n_vocab", "n_ctx")}
    if joined:
        raw |= {"n_rows": HPARAMS["n_vocab"] + HPARAMS["n_special"] + HPARAMS["n_ctx"]}
    return GPT.read_config(raw, where=Path("config.json"))


def fed() -> dict[str, Array]:
    ids = np.load(GOLDEN / "golden.npz")["input_ids"]
    # The original takes no logits at the last position: nothing follows it.
    return {"input_ids": ids, "logit_positions": np.tile(np.arange(ids.shape[1] - 1), (len(ids), 1))}


def forward(
    read: Read, settings: GptConfig, inputs: Mapping[str, Array], head: Head, dtype: str = "float64"
) -> dict[str, Array]:
    taps = [tap.name for tap in GPT.taps(settings, head)]
    return walk(GPT.stages(settings, head), NumpyOps(read, np.dtype(dtype)), inputs, taps)


@functools.cache
def computed(dtype: str = "float64", activation: str = "gelu_tanh") -> dict[str, Array]:
    with open_checkpoint(TRAINED) as checkpoint:
        return forward(checkpoint.read, replace(config(), activation=activation), fed(), CHOICE, dtype)


def noise(ours: Array, theirs: Array) -> tuple[float, float]:
    """rms and max of the deviation, in roundings."""
    deviation = ours.astype(np.float64) - theirs
    size = np.sqrt(np.mean(theirs.astype(np.float64) ** 2))
    return float(np.sqrt(np.mean(deviation**2)) / size / EPSILON), float(np.abs(deviation).max() / size / EPSILON)


def test_every_station_is_the_originals_up_to_rounding(record_property: Callable[[str, object], None]) -> None:
    exact, theirs, single = computed(), golden(), computed("float32")
    assert exact.keys() == theirs.keys()
    for tap, expected in theirs.items():
        assert exact[tap].shape == single[tap].shape == expected.shape
        assert exact[tap].dtype == np.float64
        assert single[tap].dtype == np.float32
        (rms, largest), (ours, _) = noise(exact[tap], expected), noise(exact[tap], single[tap])
        figures = f"original against oracle: rms {rms:.2f}, max {largest:.1f} roundings; our float32: rms {ours:.2f}"
        record_property(tap, figures)
        print(f"{tap}: {figures}")  # noqa: T201 - read with -s
        assert rms < 12, tap
        assert np.abs(exact[tap] - expected).max() < 1e-5, tap
        if expected.size >= 64:
            assert 1 / 1.6 < rms / ours < 1.6, f"{tap}: the original's float32 is not as far off as ours"


def test_the_published_files_with_the_special_tokens_rows_compute_the_same() -> None:
    """In the published layout tokens and positions are two tables; training adds three rows behind the tokens."""
    special = np.load(GOLDEN / "golden.npz")["special_embeddings"]
    with open_checkpoint(GOLDEN) as checkpoint:

        def read(name: str) -> Array:
            held = checkpoint.read(name)
            return np.concatenate([held, special]) if name == "tokens" else held

        ours = forward(read, config(joined=False), fed(), LM)
    for tap in ours:
        assert np.abs(ours[tap] - computed()[tap]).max() < 1e-12, tap
    only = np.load(GOLDEN / "golden.npz")["lm_logits"]
    assert np.abs(ours["logits.lm"][..., : only.shape[-1]] - only).max() < 1e-5


def test_tensorflows_kernels_compute_the_same() -> None:
    tf = pytest.importorskip("tensorflow")
    from parity.backends.executors.tensorflow_ops import TensorFlowOps

    inputs = {name: tf.constant(array) for name, array in fed().items()}
    with open_checkpoint(TRAINED) as checkpoint:
        theirs = walk(GPT.stages(config(), CHOICE), TensorFlowOps(checkpoint.read, "float32"), inputs, golden())
    for tap, expected in golden().items():
        array = theirs[tap].numpy()
        assert array.dtype == np.float32
        assert np.abs(array - expected).max() < 1e-5, tap
        assert noise(computed()[tap], array)[0] < 12, tap


def test_the_other_gelu_is_far_beyond_rounding_at_every_layer() -> None:
    wrong, theirs = computed(activation="gelu_erf"), golden()
    for tap in ("layer.0", "layer.1", "layer.2", "logits.lm"):
        assert np.abs(wrong[tap] - theirs[tap]).max() > 1e-4, tap


def by_hand(w: Mapping[str, Array], ids: Array, act: Callable[[Array], Array]) -> dict[str, Array]:
    """The same model, written another way: einsum over heads, boolean mask, textbook LayerNorm behind each half."""
    from scipy.special import softmax

    def norm(x: Array, scope: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + 1e-5) * w[f"{scope}/g"] + w[f"{scope}/b"]

    def dense(x: Array, scope: str) -> Array:
        return np.einsum("...i,io->...o", x, w[f"{scope}/w"][0]) + w[f"{scope}/b"]

    rows, length = ids.shape
    x = w["tokens"][ids] + w["positions"][:length]
    taps = {"embeddings": x}
    for i in range(OPTIONS["n_layer"]):
        scope = f"model/h{i}"
        q, k, v = np.moveaxis(dense(x, f"{scope}/attn/c_attn").reshape(rows, length, 3, 2, 4), 2, 0)
        scores = np.einsum("bqnd,bknd->bnqk", q, k) / 2.0
        scores = np.where(np.arange(length)[:, None] >= np.arange(length), scores, -1e9)
        mixed = np.einsum("bnqk,bknd->bqnd", softmax(scores, axis=-1), v).reshape(rows, length, 8)
        half = norm(x + dense(mixed, f"{scope}/attn/c_proj"), f"{scope}/ln_1")
        x = norm(half + dense(act(dense(half, f"{scope}/mlp/c_fc")), f"{scope}/mlp/c_proj"), f"{scope}/ln_2")
        taps[f"layer.{i}"] = x
    return taps


IDS = np.array([[36, 3, 36, 1, 0], [5, 4, 3, 2, 1], [7, 36, 7, 7, 36]], np.int32)
"""The last token, 36, is `_classify_`: at position 0, nowhere, at position 1 first."""


@pytest.mark.parametrize(
    ("activation", "act"),
    [
        ("gelu_tanh", gelu),
        ("relu", lambda x: np.maximum(x, 0)),
        ("swish", lambda x: x / (1 + np.exp(-x))),
        ("tanh", np.tanh),
        ("linear", lambda x: x),
    ],
)
def test_every_head_and_activation_is_what_the_definition_says(activation: str, act: Callable[[Array], Array]) -> None:
    held = {name: array.astype(np.float64) for name, array in arrays(classifier=True).items()}
    settings = replace(GPT.read_config({**OPTIONS, "n_special": 3}, where=Path("c")), activation=activation)
    expected = by_hand(held, IDS, act)
    positions = np.array([[4, 0], [1, 1], [2, 3]])
    last = expected["layer.1"]
    expected["logits.lm"] = last[np.arange(3)[:, None], positions] @ held["tokens"].T
    expected["logits.classifier"] = last[np.arange(3), [0, 0, 1]] @ held["model/clf/w"] + held["model/clf/b"]
    for head in ALL_HEADS:
        ours = forward(held.__getitem__, settings, {"input_ids": IDS, "logit_positions": positions}, head)
        assert list(ours) == [tap for tap in expected if not tap.startswith("logits") or tap in head.taps]
        for tap, array in ours.items():
            np.testing.assert_allclose(array, expected[tap], rtol=0, atol=1e-12, err_msg=tap)


def test_without_special_tokens_the_classifier_reads_the_last_position() -> None:
    held = arrays(classifier=True)
    settings = GPT.read_config(OPTIONS, where=Path("c"))
    ours = forward(held.__getitem__, settings, {"input_ids": IDS, "logit_positions": IDS[:, :1] * 0}, CHOICE)
    expected = ours["layer.1"][:, -1] @ held["model/clf/w"] + held["model/clf/b"]
    np.testing.assert_allclose(ours["logits.classifier"], expected, rtol=0, atol=1e-12)


def test_what_follows_changes_nothing_before_it(tmp_path: Path) -> None:
    with open_checkpoint(write_source(tmp_path / "c")) as checkpoint:
        settings = GPT.read_config(OPTIONS, where=Path("c"))
        other = IDS.copy()
        other[:, 3:] = 9
        one, two = (forward(checkpoint.read, settings, {"input_ids": ids}, NONE)["layer.1"] for ids in (IDS, other))
    np.testing.assert_array_equal(one[:, :3], two[:, :3])
    assert np.abs(one[:, 3:] - two[:, 3:]).max() > 1e-3


def test_more_tokens_than_positions_are_refused() -> None:
    settings = GPT.read_config(OPTIONS, where=Path("c"))
    with pytest.raises(ParityError, match="no position for every token"):
        forward(arrays().__getitem__, settings, {"input_ids": np.zeros((1, 13), np.int32)}, NONE)


def test_a_later_token_is_masked_by_a_billion() -> None:
    settings = GPT.read_config(OPTIONS, where=Path("c"))
    ops = NumpyOps(arrays().__getitem__, np.dtype("float64"))
    scores = walk(GPT.stages(settings, NONE), ops, {"input_ids": IDS}, ["layer.0.attention.scores"])
    found = scores["layer.0.attention.scores"]
    np.testing.assert_array_equal(found[:, :, 0, 1:], np.full((3, 2, 4), -1e9))
    assert np.abs(found[:, :, -1]).max() < 100
