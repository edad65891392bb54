"""The reference against what the original authors' code computed (float32, TensorFlow 1.15): memory, both streams."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np
import pytest
from small_xlnet import CONFIG, EPSILON, FLAGS, GOLDEN, LAYERS, apart, arrays, fed, golden, read

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families.values import Config
from parity.families.xlnet import FAMILY as XLNET
from parity.families.xlnet.heads import named
from parity.tensorfile import Array

RAW = json.loads((GOLDEN / "xlnet_config.json").read_text())
CASES = pytest.mark.parametrize("case", FLAGS)
IDS = np.arange(12, dtype=np.int32).reshape(2, 6) + 9


@functools.cache
def computed(case: str, dtype: str = "float64", activation: str = "gelu_tanh") -> dict[str, Array]:
    config = replace(read(RAW, **FLAGS[case]), activation=activation)
    with open_checkpoint(GOLDEN) as checkpoint:
        stages = XLNET.stages(config, named("lm"))
        return walk(stages, NumpyOps(checkpoint.read, np.dtype(dtype)), fed(case), golden(case))


def small(config: Config, inputs: Mapping[str, Array], taps: Collection[str], head: str = "lm") -> dict[str, Array]:
    held = arrays(head, config=config.raw)
    return walk(XLNET.stages(config, named(head)), NumpyOps(held.__getitem__, np.dtype("float64")), inputs, taps)


def rms(array: Array) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


@CASES
def test_every_station_is_the_originals_up_to_rounding(
    case: str, record_property: Callable[[str, object], None]
) -> None:
    exact, theirs, single = computed(case), golden(case), computed(case, "float32")
    assert exact.keys() == theirs.keys()
    assert len(theirs) >= 1 + LAYERS
    for tap, expected in theirs.items():
        assert exact[tap].shape == single[tap].shape == expected.shape
        assert (exact[tap].dtype, single[tap].dtype) == (np.float64, np.float32)
        assert apart(exact[tap], expected) < 1e-5, tap
        off = rms(exact[tap] - expected) / rms(expected) / EPSILON
        ours = rms(exact[tap] - single[tap]) / rms(expected) / EPSILON
        record_property(f"{case} {tap}", f"original against oracle: rms {off:.2f} roundings; our float32: {ours:.2f}")
        assert off < 12, tap
        assert off == ours == 0 or 1 / 2 < off / ours < 2, f"{tap}: the original's float32 is not as far off as ours"


@CASES
def test_tensorflows_kernels_compute_the_same(case: str) -> None:
    tf = pytest.importorskip("tensorflow")
    from parity.backends.executors.tensorflow_ops import TensorFlowOps

    with open_checkpoint(GOLDEN) as checkpoint:
        inputs = {name: tf.constant(array) for name, array in fed(case).items()}
        stages = XLNET.stages(read(RAW, **FLAGS[case]), named("lm"))
        theirs = walk(stages, TensorFlowOps(checkpoint.read, "float32"), inputs, golden(case))
    for tap, expected in golden(case).items():
        assert apart(theirs[tap].numpy(), expected) < 1e-5, tap


def test_the_golden_shows_both_streams_memory_and_every_layer() -> None:
    assert {tap.name for tap in XLNET.taps(read(RAW, mem_len=16), named("lm"))} == golden("plmmem").keys()
    assert not any(tap.name.startswith("mems") for tap in XLNET.taps(read(RAW), named("lm")))


@pytest.mark.parametrize("activation", ["gelu_erf", "relu"])
def test_another_activation_is_far_beyond_rounding(activation: str) -> None:
    wrong, theirs = computed("ft", "float64", activation), golden("ft")
    assert apart(wrong["embeddings"], theirs["embeddings"]) == 0
    assert all(apart(wrong[f"layer.{i}"], theirs[f"layer.{i}"]) > 1e-4 for i in range(LAYERS))


def test_tied_biases_are_untied_ones_that_are_equal() -> None:
    tied = read(CONFIG | {"untie_r": False})
    held = arrays("lm", config=tied.raw)
    inputs = {"input_ids": IDS, "token_type_ids": (IDS > 15).astype(np.int32)}
    once = walk(XLNET.stages(tied, named("lm")), NumpyOps(held.__getitem__, np.dtype("float64")), inputs, ["logits.lm"])
    for name in ("r_w_bias", "r_r_bias", "r_s_bias"):
        held[f"model/transformer/{name}"] = np.stack([held[f"model/transformer/{name}"]] * 2)
    ops = NumpyOps(held.__getitem__, np.dtype("float64"))
    every = walk(XLNET.stages(read(CONFIG), named("lm")), ops, inputs, ["logits.lm"])
    np.testing.assert_array_equal(once["logits.lm"], every["logits.lm"])


def test_padding_on_the_left_changes_nothing() -> None:
    inputs = {"input_ids": IDS, "attention_mask": np.ones_like(IDS), "token_type_ids": IDS % 2}
    padded = {name: np.pad(array, ((0, 0), (3, 0))) for name, array in inputs.items()}
    padded["token_type_ids"][:, :3] = 4
    one, other = (small(read(CONFIG), fed, ["summary", "logits.classifier"], "classifier") for fed in (inputs, padded))
    for tap, array in one.items():
        np.testing.assert_allclose(other[tap], array, atol=1e-12)


def test_of_segments_only_equality_counts() -> None:
    types = (IDS > 15).astype(np.int32)
    one, other, none = (
        small(read(CONFIG), {"input_ids": IDS} | types, ["layer.1"])["layer.1"]
        for types in ({"token_type_ids": types}, {"token_type_ids": 3 - types}, {})
    )
    np.testing.assert_array_equal(one, other)
    assert apart(one, none) > 1e-3


def test_two_segments_with_memory_are_one_long_row_where_attention_is_causal() -> None:
    config = read(CONFIG, attn_type="uni", mem_len=6)
    taps = [f"layer.{i}" for i in range(2)]
    zeros = np.zeros_like(IDS)
    whole = small(config, {"input_ids": IDS, "token_type_ids": zeros}, taps)
    start = {"input_ids": IDS[:, :4], "token_type_ids": zeros[:, :4]}
    first = small(config, start, [*taps, "mems.0", "mems.1"])
    memory = {name: array for name, array in first.items() if name.startswith("mems")}
    second = small(config, {"input_ids": IDS[:, 4:], "token_type_ids": zeros[:, 4:], **memory}, taps)
    for tap in taps:
        joined = np.concatenate([first[tap], second[tap]], axis=1)
        np.testing.assert_allclose(joined, whole[tap], atol=1e-12)


def test_every_token_of_same_length_attention_sees_as_many() -> None:
    memory = {f"mems.{i}": np.ones((2, 6, 8)) for i in range(2)}
    inputs = {"input_ids": IDS, "token_type_ids": np.zeros_like(IDS), **memory}
    config = read(CONFIG, attn_type="uni", same_length=True)
    probs = small(config, inputs, ["layer.0.attention.probs"])["layer.0.attention.probs"]
    assert ((probs > 0).sum(axis=-1) == 7).all()


def test_bi_data_turns_the_second_half_of_the_rows() -> None:
    rows = np.concatenate([IDS[:1], IDS[:1]])
    forward = small(read(CONFIG), {"input_ids": rows}, ["layer.0"])["layer.0"]
    both = small(read(CONFIG, bi_data=True), {"input_ids": rows}, ["layer.0"])["layer.0"]
    np.testing.assert_array_equal(both[0], forward[0])
    assert apart(both[1], forward[1]) > 1e-3
    with pytest.raises(ParityError, match="halves the rows"):
        small(read(CONFIG, bi_data=True), {"input_ids": rows[:1]}, ["layer.0"])


def test_rows_that_are_parted_say_which_way_they_run() -> None:
    config, rows = read(CONFIG, bi_data=True), np.concatenate([IDS, IDS])
    whole = small(config, {"input_ids": rows}, ["layer.1"])["layer.1"]
    backward = XLNET.feeds.placed(config, len(rows))["backward"]
    assert backward.ravel().tolist() == [0, 0, 1, 1]
    for i in range(len(rows)):
        one = small(config, {"input_ids": rows[i : i + 1], "backward": backward[i : i + 1]}, ["layer.1"])["layer.1"]
        np.testing.assert_allclose(one[0], whole[i], atol=1e-12)
    assert XLNET.feeds.placed(read(CONFIG), 3) == {}


@pytest.mark.parametrize(("kind", "expected"), [("last", lambda x: x[:, -1]), ("first", lambda x: x[:, 0])])
def test_a_summary_looks_where_the_flag_says(kind: str, expected: Callable[[Array], Array]) -> None:
    config = read(CONFIG, summary_type=kind, use_summ_proj=False)
    found = small(config, {"input_ids": IDS}, ["layer.1", "summary"], "classifier")
    np.testing.assert_array_equal(found["summary"], expected(found["layer.1"]))
