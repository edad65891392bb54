"""The reference against what the original authors' code computed (float32, TensorFlow 1.15), with past and without.

Deviations are in units of float32's epsilon times the tap's own size (rms), so that 1 is one rounding.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_gpt2 import CONFIG, GOLDEN, LAYERS, apart, arrays, fed, golden, noise, read, write_source

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families.gpt2 import FAMILY as GPT2
from parity.families.gpt2.heads import LM, NONE
from parity.families.values import Config, Head
from parity.tensorfile import Array


def forward(
    folder: Path,
    config: Config,
    inputs: Mapping[str, Array],
    taps: Collection[str],
    *,
    dtype: str = "float64",
    head: Head = LM,
) -> dict[str, Array]:
    with open_checkpoint(folder) as checkpoint:
        ops = NumpyOps(checkpoint.read, np.dtype(dtype))
        given = {name: array.astype(dtype) if array.dtype == np.float32 else array for name, array in inputs.items()}
        return walk(GPT2.stages(config, head), ops, given, taps)


@functools.cache
def computed(prefix: str, dtype: str = "float64", activation: str = "gelu_tanh") -> dict[str, Array]:
    config = replace(read(json.loads((GOLDEN / "hparams.json").read_text())), activation=activation)
    return forward(GOLDEN, config, fed(prefix), golden(prefix), dtype=dtype)


@pytest.mark.parametrize("prefix", ["", "cont_"])
def test_every_station_is_the_originals_up_to_rounding(
    prefix: str, record_property: Callable[[str, object], None]
) -> None:
    exact, theirs, single = computed(prefix), golden(prefix), computed(prefix, "float32")
    assert exact.keys() == theirs.keys()
    assert {tap.name for tap in GPT2.taps(read(json.loads((GOLDEN / "hparams.json").read_text())), LM)} == theirs.keys()
    for tap, expected in theirs.items():
        assert exact[tap].shape == single[tap].shape == expected.shape
        assert exact[tap].dtype == np.float64
        assert single[tap].dtype == np.float32
        (rms, largest), (ours, _) = noise(exact[tap], expected), noise(exact[tap], single[tap])
        figures = f"original against oracle: rms {rms:.2f}, max {largest:.1f} roundings; our float32: rms {ours:.2f}"
        record_property(f"{prefix}{tap}", figures)
        print(f"{prefix}{tap}: {figures}")  # noqa: T201 - read with -s
        assert rms < 12, tap
        assert apart(exact[tap], expected) < 1e-5, tap
        assert 1 / 1.6 < rms / ours < 1.6, f"{tap}: the original's float32 is not as far off as ours"


@pytest.mark.parametrize("prefix", ["", "cont_"])
def test_tensorflows_kernels_compute_the_same(prefix: str) -> None:
    tf = pytest.importorskip("tensorflow")
    from parity.backends.executors.tensorflow_ops import TensorFlowOps

    config = read(json.loads((GOLDEN / "hparams.json").read_text()))
    with open_checkpoint(GOLDEN) as checkpoint:
        inputs = {name: tf.constant(array) for name, array in fed(prefix).items()}
        theirs = walk(GPT2.stages(config, LM), TensorFlowOps(checkpoint.read, "float32"), inputs, golden(prefix))
    exact = computed(prefix)
    for tap, expected in golden(prefix).items():
        array = theirs[tap].numpy()
        assert array.dtype == np.float32
        assert apart(array, expected) < 1e-5, tap
        assert noise(exact[tap], array)[0] < 12, tap


def test_the_other_gelu_is_far_beyond_rounding_at_every_layer() -> None:
    wrong, theirs = computed("", activation="gelu_erf"), golden()
    for tap in (*(f"layer.{i}" for i in range(LAYERS)), "final_norm", "logits.lm"):
        assert apart(wrong[tap], theirs[tap]) > 1e-4, tap


def by_hand(w: Mapping[str, Array], ids: Array, act: Callable[[Array], Array]) -> dict[str, Array]:
    """The same model, written another way: einsum over heads, boolean mask, textbook LayerNorm."""
    from scipy.special import softmax

    def norm(x: Array, scope: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + 1e-5) * w[f"{scope}/g"] + w[f"{scope}/b"]

    def dense(x: Array, scope: str) -> Array:
        return np.einsum("...i,io->...o", x, w[f"{scope}/w"][0]) + w[f"{scope}/b"]

    rows, length = ids.shape
    x = w["model/wte"][ids] + w["model/wpe"][:length]
    taps = {"embeddings": x}
    for i in range(2):
        scope = f"model/h{i}"
        projected = dense(norm(x, f"{scope}/ln_1"), f"{scope}/attn/c_attn").reshape(rows, length, 3, 2, 4)
        q, k, v = (projected[:, :, part] for part in range(3))
        scores = np.einsum("bqnd,bknd->bnqk", q, k) / 2.0
        scores = np.where(np.arange(length)[:, None] >= np.arange(length), scores, -np.inf)
        context = np.einsum("bnqk,bknd->bqnd", softmax(scores, axis=-1), v).reshape(rows, length, 8)
        x = x + dense(context, f"{scope}/attn/c_proj")
        x = x + dense(act(dense(norm(x, f"{scope}/ln_2"), f"{scope}/mlp/c_fc")), f"{scope}/mlp/c_proj")
        taps |= {f"layer.{i}": x, f"past.{i}.key": k.swapaxes(1, 2), f"past.{i}.value": v.swapaxes(1, 2)}
    taps["final_norm"] = norm(x, "model/ln_f")
    return taps


@pytest.mark.parametrize(
    ("activation", "act"),
    [
        ("gelu_tanh", lambda x: x / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("linear", lambda x: x),
    ],
)
@pytest.mark.parametrize("head", [LM, NONE], ids=lambda head: head.name)
def test_every_tap_is_what_the_definition_says(
    tmp_path: Path, activation: str, act: Callable[[Array], Array], head: Head
) -> None:
    folder, ids = write_source(tmp_path / "c"), np.random.default_rng(3).integers(0, 300, (2, 6))
    weights = {name: array.astype(np.float64) for name, array in arrays().items()}
    expected = by_hand(weights, ids, act)
    at = np.array([[5, 0], [3, 3]])
    if head == LM:
        rows = np.arange(2)[:, None]
        expected["logits.lm"] = expected["final_norm"][rows, at] @ weights["model/wte"].T
    config = replace(read(CONFIG), activation=activation)
    ours = forward(folder, config, {"input_ids": ids, "logit_positions": at}, expected, head=head)
    for tap, array in expected.items():
        np.testing.assert_allclose(ours[tap], array, rtol=0, atol=1e-12, err_msg=tap)
    assert sorted(expected) == sorted(tap.name for tap in GPT2.taps(config, head))


def test_a_text_in_two_parts_is_the_text_as_a_whole(tmp_path: Path) -> None:
    folder, config = write_source(tmp_path / "c"), read(CONFIG)
    ids = np.random.default_rng(4).integers(0, 300, (2, 9))
    taps = [tap.name for tap in GPT2.taps(config, NONE)]
    whole = forward(folder, config, {"input_ids": ids}, taps, head=NONE)
    first = forward(folder, config, {"input_ids": ids[:, :4]}, taps, head=NONE)
    past = {name: array for name, array in first.items() if name.startswith("past.")}
    second = forward(folder, config, {"input_ids": ids[:, 4:], **past}, taps, head=NONE)
    for tap, array in second.items():
        axis = 2 if tap.startswith("past.") else 1
        np.testing.assert_allclose(array, np.split(whole[tap], [4], axis=axis)[1], rtol=0, atol=1e-12, err_msg=tap)


def test_what_follows_does_not_matter(tmp_path: Path) -> None:
    folder, config = write_source(tmp_path / "c"), read(CONFIG)
    ids = np.random.default_rng(5).integers(0, 300, (1, 8))
    other = np.concatenate([ids[:, :5], 299 - ids[:, 5:]], axis=1)
    one, two = (
        forward(folder, config, {"input_ids": x}, ["final_norm"], head=NONE)["final_norm"] for x in (ids, other)
    )
    np.testing.assert_array_equal(one[:, :5], two[:, :5])
    assert np.abs(one[:, 5:] - two[:, 5:]).min(axis=-1).max() > 0


def test_what_is_hidden_has_ten_thousand_million_less_and_nothing_of_its_own(tmp_path: Path) -> None:
    folder, ids = write_source(tmp_path / "c"), np.zeros((1, 3), np.int64)
    tap = "layer.0.attention.scores"
    scores = forward(folder, read(CONFIG), {"input_ids": ids}, [tap], head=NONE)[tap]
    assert (scores[..., ~np.tri(3, dtype=bool)] == -1e10).all()
    assert np.abs(scores[..., np.tri(3, dtype=bool)]).max() < 100


@pytest.mark.parametrize(("before", "new"), [(0, 13), (12, 1), (8, 5)])
def test_a_text_beyond_the_table_of_positions_is_refused(tmp_path: Path, before: int, new: int) -> None:
    folder = write_source(tmp_path / "c")
    past = {f"past.{i}.{part}": np.zeros((1, 2, before, 4)) for i in range(2) for part in ("key", "value")}
    with pytest.raises(ParityError, match="got 13, expected at most 12"):
        forward(folder, read(CONFIG), {"input_ids": np.zeros((1, new), np.int64), **past}, ["embeddings"], head=NONE)
