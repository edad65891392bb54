"""The reference against what the original authors' code computed (float32, TensorFlow 1.15), at every tap."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_transfo_xl import GOLDEN, LM, NONE, VARIANTS, XL, arrays, config, flags, golden_config, segment

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.checkpoints import open_checkpoint
from parity.families.transfo_xl.numbers import TransfoXLConfig
from parity.tensorfile import Array

EPSILON = float(np.finfo(np.float32).eps)
SEGMENTS = {"seg1": "seg1_input", "nomem": "seg1_input", "seg2": "seg2_input", "samelen": "seg2_input"}
KEYS = {
    "embeddings": "embedding_output",
    "log_probs": "log_probs",
    **{f"layer.{i}": f"layer_{i}" for i in range(3)},
    **{f"mems.{i}": f"new_mem_{i}" for i in range(3)},
}


def golden(name: str) -> dict[str, Array]:
    """What the original computed, by tap, batch-major."""
    kept = np.load(GOLDEN / "golden.npz")
    found = {tap: f"{name}_{key}" for tap, key in KEYS.items() if f"{name}_{key}" in kept}
    return {tap: np.swapaxes(kept[key], 0, 1) for tap, key in found.items()}


@functools.cache
def computed(name: str, dtype: str = "float64", executor: str = "numpy") -> dict[str, Array]:
    kept = np.load(GOLDEN / "golden.npz")
    ids = np.ascontiguousarray(kept[SEGMENTS[name]].T)
    inputs: dict[str, Any] = {"input_ids": ids, "logit_positions": np.tile(np.arange(ids.shape[1]), (len(ids), 1))}
    if name == "seg1":
        # What train_gpu.evaluate feeds first: zeros, which are attended to.
        inputs |= {f"mems.{i}": np.zeros((len(ids), 16, 64), dtype) for i in range(3)}
    elif name != "nomem":
        inputs |= {f"mems.{i}": np.swapaxes(kept[f"seg1_new_mem_{i}"], 0, 1).astype(dtype) for i in range(3)}
    given = replace(golden_config(), same_length=name == "samelen")
    with open_checkpoint(GOLDEN) as checkpoint:
        if executor == "numpy":
            return walk(XL.stages(given, LM), NumpyOps(checkpoint.read, np.dtype(dtype)), inputs, list(KEYS))
        import tensorflow as tf

        from parity.backends.executors.tensorflow_ops import TensorFlowOps

        fed = {key: tf.constant(array) for key, array in inputs.items()}
        found = walk(XL.stages(given, LM), TensorFlowOps(checkpoint.read, dtype), fed, list(KEYS))
        return {tap: value.numpy() for tap, value in found.items()}


def noise(ours: Array, theirs: Array) -> float:
    """Rms of the deviation, in roundings of float32."""
    deviation = ours.astype(np.float64) - theirs
    return float(np.sqrt(np.mean(deviation**2) / np.mean(theirs.astype(np.float64) ** 2)) / EPSILON)


@pytest.mark.parametrize("name", SEGMENTS)
def test_every_tap_is_the_originals_up_to_rounding(name: str) -> None:
    exact, single, theirs = computed(name), computed(name, "float32"), golden(name)
    assert len(theirs) == (8 if name in ("seg1", "seg2") else 7)
    for tap, expected in theirs.items():
        assert exact[tap].shape == expected.shape, tap
        assert exact[tap].dtype == np.float64
        assert single[tap].dtype == np.float32
        assert np.abs(exact[tap] - expected).max() < 1e-5, tap
        assert np.abs(single[tap] - expected).max() < 1e-5, tap
        assert noise(exact[tap], expected) < 12, tap
        assert 1 / 2 < noise(exact[tap], expected) / noise(exact[tap], single[tap]) < 2, tap


@pytest.mark.parametrize("name", SEGMENTS)
def test_tensorflows_own_kernels_give_the_same(name: str) -> None:
    pytest.importorskip("tensorflow")
    ours = computed(name, "float32", "tensorflow")
    for tap, expected in golden(name).items():
        assert np.abs(ours[tap] - expected).max() < 1e-5, tap


def test_zero_memory_is_attended_to() -> None:
    with_zeros, without = computed("seg1"), computed("nomem")
    np.testing.assert_array_equal(with_zeros["embeddings"], without["embeddings"])
    assert np.abs(with_zeros["layer.0"] - without["layer.0"]).max() > 0.05


def test_equal_lengths_hide_the_oldest() -> None:
    assert np.abs(computed("samelen")["layer.0"] - computed("seg2")["layer.0"]).max() > 0.05


def test_probabilities_of_the_whole_vocabulary_sum_to_one() -> None:
    for name in SEGMENTS:
        np.testing.assert_allclose(np.exp(computed(name)["log_probs"]).sum(-1), 1, rtol=1e-12)


# What masks look like, written out from _create_mask of the original.
MASKS = {
    (3, 0, False): ["011", "001", "000"],
    (3, 0, True): ["011", "101", "110"],
    (3, 2, False): ["00011", "00001", "00000"],
    (3, 2, True): ["00011", "10001", "11000"],
    (2, 3, True): ["00001", "10000"],
}


@pytest.mark.parametrize(("length", "memory", "same"), MASKS)
def test_masks_are_the_originals(length: int, memory: int, same: bool) -> None:
    given = config(flags() | {"same_length": same})
    inputs: dict[str, Array] = {"input_ids": np.zeros((1, length), np.int32)}
    inputs |= {f"mems.{i}": np.zeros((1, memory, 16)) for i in range(2)} if memory else {}
    found = walked(given, inputs, ["mask"])["mask"]
    assert ["".join(str(int(cell)) for cell in row) for row in found] == MASKS[length, memory, same]


def walked(given: TransfoXLConfig, inputs: dict[str, Array], wanted: list[str]) -> dict[str, Array]:
    held = arrays(given)
    return walk(XL.stages(given, LM), NumpyOps(lambda name: held[name], np.dtype("float64")), inputs, wanted)


def test_distances_are_clamped_where_asked() -> None:
    inputs = {"input_ids": np.zeros((1, 5), np.int32)}
    plain, clamped = (walked(config(flags(v)), inputs, ["positions"])["positions"] for v in ("as wt103", "clamped"))
    angles = np.array([[4.0, 3, 2, 1, 0]]).T / 10000.0 ** (np.arange(0, 16, 2.0) / 16)
    np.testing.assert_allclose(plain, np.concatenate([np.sin(angles), np.cos(angles)], -1), atol=1e-15)
    longer = walked(config(flags("clamped")), {"input_ids": np.zeros((1, 9), np.int32)}, ["positions"])["positions"]
    np.testing.assert_array_equal(clamped, plain)
    np.testing.assert_array_equal(longer[:5], np.tile(plain[0], (5, 1)))


# Where positions see equal lengths, or nothing is remembered, segments are not one row.
CONTINUED = [variant for variant in VARIANTS if flags(variant)["mem_len"] and not flags(variant)["same_length"]]


@pytest.mark.parametrize("variant", CONTINUED)
def test_memory_over_segments_is_one_long_row_where_nothing_falls_out_of_it(variant: str) -> None:
    given = config(flags(variant) | {"mem_len": 30})
    whole = segment(given, length=12)
    taps = ["layer.1", "log_probs", "mems.0", "mems.1"]
    expected = walked(given, whole, taps)
    found: dict[str, Array] = {}
    for at in (0, 5, 9):
        end = {0: 5, 5: 9, 9: 12}[at]
        ids = whole["input_ids"][:, at:end]
        mems = {tap: array for tap, array in found.items() if tap.startswith("mems")}
        positions = np.tile(np.arange(end - at), (2, 1))
        found = walked(given, {"input_ids": ids, "logit_positions": positions, **mems}, taps)
        for tap in ("layer.1", "log_probs"):
            np.testing.assert_allclose(found[tap], expected[tap][:, at:end], atol=1e-12)
    np.testing.assert_allclose(found["mems.1"], expected["mems.1"], atol=1e-12)


@pytest.mark.parametrize("mem_len", [0, 3, 9])
def test_memory_keeps_its_length(mem_len: int) -> None:
    given = config(flags() | {"mem_len": mem_len})
    whole = segment(given, length=5)
    assert walked(given, whole, ["mems.0"])["mems.0"].shape == (2, 5, 16)
    held = {f"mems.{i}": np.full((2, mem_len, 16), 7.0) for i in range(2)}
    kept = walked(given, {**whole, **held}, ["mems.0", "embeddings"])
    expected = np.concatenate([held["mems.0"], kept["embeddings"]], 1)
    np.testing.assert_array_equal(kept["mems.0"], expected[:, 5:] if mem_len else held["mems.0"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_tap_is_a_stage_and_its_axes_are_its_shape(variant: str) -> None:
    for head in (LM, NONE):
        given = config(flags(variant))
        taps = [*XL.taps(given, head), *XL.fine_taps(given, head)]
        held = arrays(given, head)
        ops = NumpyOps(lambda name, held=held: held[name], np.dtype("float64"))
        found = walk(XL.stages(given, head), ops, segment(given, length=5), [tap.name for tap in taps])
        lengths = {"B": 2, "T": 5, "Q": 5, "M": 5, "H": given.heads}
        for tap in taps:
            shape = found[tap.name].shape
            assert len(shape) == len(tap.axes), tap
            assert all(lengths.get(axis, size) == size for axis, size in zip(tap.axes, shape, strict=True)), tap
    assert XL.feeds.empty is not None
    assert XL.feeds.empty(given, 3, 4) == (3, 4, given.hidden_size)
