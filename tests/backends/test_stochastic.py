"""Stochastic arithmetic: each operation's noise is the table's, what is exact stays exact, and goldens lie within."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_bert import CYRILLIC, ERF, PREFIX, read_source

from parity.backends import floor as floor_runtime
from parity.backends import oracle as oracle_runtime
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.stochastic import UNITS, StochasticOps, growth
from parity.backends.job import Job
from parity.checkpoints import write_bundle
from parity.errors import ParityError
from parity.measure.floor import KINDS, Floor, FloorBatch, Kind, names, pool, read
from parity.measure.judgement import judge
from parity.measure.limits import Groups
from parity.measure.noise import Errors
from parity.ops import Ops
from parity.tensorfile import Array, TensorSpec
from parity.traces import TraceBatch, read_batch, write_batch

RNG = np.random.default_rng(3)
SEEDS = 2000
U = 2.0**-24
TAPS = ("embeddings", "layer.0", "layer.1", "layer.2", "pooler", "logits.mlm", "logits.nsp")


def ops(seeds: int = SEEDS, dtype: str = "float64", **weights: Array) -> StochasticOps:
    plain = NumpyOps(weights.__getitem__, np.dtype(dtype))
    return StochasticOps(plain, np.random.default_rng(1), seeds=seeds, unit=UNITS[dtype])


def lifted(*shape: int) -> Array:
    return RNG.normal(0.3, 1, shape).astype(np.float32).astype(np.float64)[None]


def deviation(value: Array) -> Array:
    """Standard deviation over seeds, in units of the unit roundoff."""
    return np.sqrt(np.mean((value[1:] - value[0]) ** 2, axis=0)) / U


# -- each operation's own noise -------------------------------------------------------------------------------------

X, Y = lifted(5, 6), lifted(5, 6)
ONE_ROUNDING: dict[str, Callable[[Ops], Array]] = {
    "add": lambda ops: ops.add(X, Y),
    "sub": lambda ops: ops.sub(X, Y),
    "mul": lambda ops: ops.mul(X, Y),
    "div": lambda ops: ops.div(X, Y),
    "square": lambda ops: ops.square(X),
}
LIBRARY: dict[str, Callable[[Ops], Array]] = {
    "erf": lambda ops: ops.erf(X),
    "tanh": lambda ops: ops.tanh(X),
    "rsqrt": lambda ops: ops.rsqrt(np.abs(X)),
}


@pytest.mark.parametrize("name", ONE_ROUNDING)
def test_one_rounding(name: str) -> None:
    value = ONE_ROUNDING[name](ops())
    np.testing.assert_allclose(deviation(value), 0.42 * np.abs(value[0]), rtol=1e-6)
    assert abs((value[1:] - value[0]).mean()) < 0.1 * np.abs(value[1:] - value[0]).mean()


@pytest.mark.parametrize("name", LIBRARY)
def test_a_library_function(name: str) -> None:
    value = LIBRARY[name](ops())
    np.testing.assert_allclose(deviation(value), 3 * np.abs(value[0]), rtol=1e-6)


@pytest.mark.parametrize("terms", [2, 64, 512, 1536, 16384])
def test_a_sum_of_products(terms: int) -> None:
    a, b = RNG.normal(0.1, 1, (1, 3, terms)), RNG.normal(0.1, 1, (1, terms, 4))
    a_k, b_k = (terms, terms) if terms <= 512 else (512 + terms / 512, 512**2 / terms + terms / 512)
    squares = np.einsum("ik,kj->ij", a[0] ** 2, b[0] ** 2)
    expected = 0.42 * np.sqrt(a_k / 2 * squares + b_k / 3 * (a[0] @ b[0]) ** 2)
    few = ops(seeds=8)
    np.testing.assert_allclose(deviation(few.matmul(a, b)), expected, rtol=1e-6)
    swapped = few.matmul(a, np.swapaxes(b, 1, 2), transpose_b=True)
    np.testing.assert_allclose(deviation(swapped), expected, rtol=1e-6)
    batched = few.matmul(a[:, None], b[:, None])
    np.testing.assert_allclose(deviation(batched)[0], expected, rtol=1e-6)
    of_weight = few.matmul(a[:, None], b)
    np.testing.assert_allclose(deviation(of_weight)[0], expected, rtol=1e-6)


def test_a_wide_weight_is_squared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = lifted(3, 16), lifted(16, 10)
    whole = ops(seeds=4).matmul(a, b)
    monkeypatch.setattr("parity.backends.executors.stochastic._CACHE", 40)
    np.testing.assert_array_equal(ops(seeds=4).matmul(a, b), whole)


def test_blocks_begin_where_one_block_ends() -> None:
    assert growth(512) == (512, 512)
    np.testing.assert_allclose(growth(513), (513, 512), rtol=2e-3)


@given(st.integers(1, 10**6))
def test_more_terms_never_round_less_often_and_blocks_only_help(terms: int) -> None:
    (a, b), (more, _) = growth(terms), growth(terms + 1)
    assert more >= a
    assert a <= terms + 1
    assert b <= terms + 1


def test_a_mean_is_a_sum_divided() -> None:
    x = lifted(4, 48)
    total = x[0].sum(axis=-1, keepdims=True)
    squares = (x[0] ** 2).sum(axis=-1, keepdims=True)
    expected = 0.42 * np.sqrt(48 / 2 * squares + 48 / 3 * total**2) / 48
    np.testing.assert_allclose(deviation(ops(seeds=8).mean(x, axis=-1)), expected, rtol=1e-6)


def test_softmax_has_the_noise_of_its_four_steps() -> None:
    x = lifted(2, 7)
    y = np.exp(x[0] - x[0].max(axis=-1, keepdims=True))
    p = y / y.sum(axis=-1, keepdims=True)
    total = y.sum(axis=-1, keepdims=True)
    # Relative variances: x - max, exp, and the quotient by themselves; the sum over all terms in common.
    each = (0.42 * (x[0] - x[0].max(axis=-1, keepdims=True))) ** 2 + 9
    of_sum = 0.42**2 * (7 / 2 * (y**2).sum(axis=-1, keepdims=True) / total**2 + 7 / 3)
    through = (p**2 * each).sum(axis=-1, keepdims=True)
    expected = p * np.sqrt((1 - 2 * p) * each + through + of_sum + 0.42**2)
    np.testing.assert_allclose(deviation(ops().softmax(x)), expected, rtol=0.06)


def test_noise_is_independent_between_seeds_values_and_operations() -> None:
    some = ops(seeds=64)
    first, second = some.add(X, Y), some.add(X, Y)
    signs = np.sign(np.concatenate([first[1:] - first[0], second[1:] - second[0]]).reshape(128, -1))
    for table in (signs, signs.T):
        off = (table @ table.T / table.shape[1])[~np.eye(len(table), dtype=bool)]
        assert np.abs(off.mean()) < 0.02
        assert np.abs(off).max() < 0.75 if table is signs else np.abs(off).max() < 0.45


def test_noise_goes_through_later_operations() -> None:
    rough = ops()
    summed = rough.add(X, Y)
    np.testing.assert_allclose(deviation(rough.mul(summed, np.full((1, 1), 4.0))), 4 * deviation(summed), rtol=1e-9)
    twice = rough.mul(summed, Y)
    np.testing.assert_allclose(deviation(twice), math.sqrt(2) * 0.42 * np.abs(twice[0]), rtol=0.1)
    np.testing.assert_allclose(deviation(rough.sub(summed, summed)), 0, atol=0)


# -- what is exact --------------------------------------------------------------------------------------------------


def test_what_float32_loses_nothing_at_has_no_lanes() -> None:
    table = RNG.normal(size=(9, 4)).astype(np.float16).astype(np.float32)
    other = table[::-1].copy()
    some = ops(seeds=3, dtype="float32", table=table, other=other, long=RNG.normal(size=(9, 4)).astype(np.float32))
    ids = np.array([[[1, 2, 8]]])
    rows = some.gather_weight("table", ids)
    mask = some.cast(np.array([[[1, 0, 1]]]))
    exact = {
        "lookup": rows,
        "reshape": some.reshape(rows, (3, 4)),
        "transpose": some.transpose(rows, (0, 2, 1)),
        "expand": some.expand(rows, axis=1),
        "index": some.index(rows, 0, axis=1),
        "select": some.take_positions(rows, np.array([[[2, 0]]])),
        "slice": some.slice_rows(some.weight("table"), 2),
        "maximum": some.maximum(rows, 0.0),
        "power of two": some.mul(rows, some.constant(-0.25)),
        "quotient by one": some.div(rows, some.constant(8.0)),
        "sum of what was born in half precision": some.add(rows, some.gather_weight("other", ids)),
        "mask": some.mul(some.sub(some.constant(1.0), mask), some.constant(-10000.0)),
        "square root of 1024": some.mul(rows, some.constant(32.0)),
    }
    assert {name: len(value) for name, value in exact.items()} == dict.fromkeys(exact, 1)
    assert len(some.add(rows, some.gather_weight("long", ids))) == 4
    assert len(some.mul(rows, some.constant(0.1))) == 4
    assert len(some.div(some.constant(2.0), rows)) == 4


def test_shapes_are_those_without_lanes() -> None:
    some = ops(seeds=3)
    x = some.add(lifted(2, 3, 4), lifted(2, 3, 4))
    assert x.shape == (4, 2, 3, 4)
    assert some.shape(x) == (2, 3, 4)
    assert some.reshape(x, (6, -1)).shape == (4, 6, 4)
    assert some.transpose(x, (2, 0, -2)).shape == (4, 4, 2, 3)
    assert some.expand(x, axis=-1).shape == (4, 2, 3, 4, 1)
    assert some.index(x, 1, axis=1).shape == (4, 2, 4)
    assert some.mean(x, axis=0).shape == (4, 1, 3, 4)
    assert some.softmax(x, axis=1).shape == (4, 2, 3, 4)
    picked = some.take_positions(x, np.array([[[2, 0], [1, 1]]]))
    np.testing.assert_array_equal(picked[:, 0, 0], x[:, 0, 2])
    # A vector of a noisy row and an exact matrix meet behind the lanes, whichever has more axes.
    assert some.add(some.index(x, 0, axis=0), lifted(2, 3, 4)).shape == (4, 2, 3, 4)
    assert some.matmul(x, some.add(lifted(4, 5), lifted(4, 5))).shape == (4, 2, 3, 5)


@pytest.mark.parametrize(
    ("row", "flagged"),
    [
        (np.full(16, 1.7), True),
        (1.7 + 1e-4 * RNG.normal(size=16), True),
        (1e-5 * RNG.normal(size=16), True),
        (RNG.normal(size=16), False),
        (1e-3 * RNG.normal(size=16), False),
        (1.7 + 0.05 * RNG.normal(size=16), False),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_of_uniform_rows_are_noticed(row: Array, flagged: bool, dtype: str) -> None:
    some = ops(seeds=2, dtype=dtype)
    x = np.stack([row, RNG.normal(size=16)]).astype(dtype)[None, None]
    mean = some.mean(x, axis=-1)
    variance = some.mean(some.square(some.sub(x, mean)), axis=-1)
    some.rsqrt(some.add(variance, some.constant(1e-12)))
    (where,) = some.degenerate
    np.testing.assert_array_equal(where[0, :, 0], [flagged, False])


# -- the runtime ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[CYRILLIC, ERF], ids=lambda case: case.name)
def golden_job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    case: Path = request.param
    return job_of(case, case / PREFIX, tmp_path_factory.mktemp(case.name))


def job_of(case: Path, checkpoint: Path, folder: Path, **fields: Any) -> Job:
    golden = np.load(case / "golden.npz")
    mask = golden["input_mask"]
    arrays = {
        "input_ids": golden["input_ids"],
        "attention_mask": mask,
        "token_type_ids": golden["segment_ids"],
        "logit_positions": np.stack([np.resize(np.flatnonzero(row), 8).astype(np.int32) for row in mask]),
    }
    write_batch(folder / "batch.safetensors", TraceBatch({}, arrays))
    common: dict[str, Any] = {
        "backend": "floor",
        "family": "bert",
        "head": "pretraining",
        "artifact": case,
        "source": {"checkpoint": str(checkpoint), "config": str(case / "bert_config.json"), "activation": "erf"},
        "taps": names(TAPS),
        "inputs": (folder / "batch.safetensors",),
        "out": folder / "out",
        "threads": 1,
    }
    return Job(**{**common, **fields})


def run(job: Job, inputs: dict[str, Array] | None = None) -> TraceBatch:
    opened = floor_runtime.open(job)
    fed = inputs or dict(read_batch(job.inputs[0]).inputs)
    try:
        return TraceBatch(opened.run(fed, texts=None), fed, {"describe": opened.describe()})
    finally:
        opened.close()


def exact(job: Job, dtype: str = "float64") -> TraceBatch:
    opened = oracle_runtime.open(dataclasses.replace(job, taps=TAPS, precision=dtype, settings={}))
    fed = dict(read_batch(job.inputs[0]).inputs)
    try:
        return TraceBatch(opened.run(fed, texts=None), fed)
    finally:
        opened.close()


def pooled(batch: TraceBatch, tap: str, kind: Kind) -> Floor:
    return pool([read(batch, tap, kind)])


def test_enlarged_float32_noise_is_the_float64_noise(golden_job: Job) -> None:
    enlarged, true = run(golden_job), run(dataclasses.replace(golden_job, precision="float64"))
    for kind in KINDS:
        for tap in TAPS:
            mine, other = (pooled(batch, tap, kind) for batch in (enlarged, true))
            assert mine.rms == pytest.approx(other.rms, rel=0.03), (kind, tap)
            assert mine.channels is not None
            np.testing.assert_allclose(mine.channels, other.channels, rtol=0.03, err_msg=tap)
            tokens = [read(batch, tap, kind).token for batch in (enlarged, true)]
            np.testing.assert_allclose(*tokens, rtol=0.06, err_msg=tap)


def test_seeds_agree_with_many_seeds(golden_job: Job) -> None:
    four = run(golden_job)
    many = run(dataclasses.replace(golden_job, settings={"seeds": "64"}))
    assert (four.meta["describe"]["seeds"], many.meta["describe"]["seeds"]) == ("4", "64")
    for kind in KINDS:
        for tap in TAPS[:4]:
            assert pooled(four, tap, kind).rms == pytest.approx(pooled(many, tap, kind).rms, rel=0.06), (kind, tap)
            assert pooled(many, tap, kind).white == pytest.approx(1, abs=0.01)


def test_own_noise_begins_anew_and_accumulated_noise_grows(golden_job: Job) -> None:
    batch = run(golden_job)
    own, accumulated = ([pooled(batch, tap, kind).rms for tap in TAPS] for kind in ("own", "accumulated"))
    assert own[0] == accumulated[0]
    assert all(mine < total for mine, total in zip(own[1:], accumulated[1:], strict=True))
    assert accumulated[1] < accumulated[2] < accumulated[3]
    assert max(own[1:4]) < 1.2 * min(own[1:4])
    only_last = dataclasses.replace(golden_job, settings={"restart": "layer.1"})
    through = run(only_last)
    assert pooled(through, "layer.1", "own").rms == accumulated[2]
    assert pooled(through, "layer.2", "own").rms == pytest.approx(own[3], rel=0.05)


def test_what_tensorflow_itself_computed_lies_within_the_limits(golden_job: Job) -> None:
    golden = np.load(golden_job.artifact / "golden.npz")
    floors, truth = run(golden_job), exact(golden_job)
    positions = truth.inputs["logit_positions"]
    theirs = {
        "embeddings": golden["embedding_output"],
        **{f"layer.{i}": golden[f"layer_{i}"] for i in range(3)},
        "pooler": golden["pooled_output"],
        "logits.mlm": golden["mlm_logits"][np.arange(3)[:, None], positions],
        "logits.nsp": golden["nsp_logits"],
    }
    mine = exact(golden_job, "float32").taps
    counted = Groups.of(pooled(floors, tap, "accumulated") for tap in TAPS)
    for tap in TAPS:
        floor, batch = pooled(floors, tap, "accumulated"), read(floors, tap, "accumulated")

        def ratios(values: Array, floor: Floor = floor, batch: FloorBatch = batch, tap: str = tap):
            errors = Errors(floor)
            errors.add("golden", values, truth.taps[tap], batch)
            return errors.ratios()

        found = judge(floor, ratios(mine[tap]), counted, source=ratios(theirs[tap]))
        assert found.status == "pass", (tap, found.message)
        assert found.source is not None
        assert 0.25 < found.source < 1.5, tap
        wrong = mine[tap] + 9 * floor.rms
        assert judge(floor, ratios(wrong), counted, source=ratios(theirs[tap])).status == "fail", tap


def test_neither_threads_nor_company_nor_order_change_a_bit(golden_job: Job) -> None:
    usual = run(golden_job)
    threaded = run(dataclasses.replace(golden_job, threads=3))
    backwards = run(golden_job, {name: array[::-1].copy() for name, array in usual.inputs.items()})
    for name, value in usual.taps.items():
        np.testing.assert_array_equal(threaded.taps[name], value, err_msg=name)
        if name.endswith("token"):
            np.testing.assert_array_equal(backwards.taps[name][::-1], value, err_msg=name)
        alone = run(golden_job, {key: array[1:2] for key, array in usual.inputs.items()}) if "nsp" in name else usual
        if alone is not usual and name.endswith("token"):
            np.testing.assert_array_equal(alone.taps[name], value[1:2], err_msg=name)


def test_padding_counts_for_nothing(golden_job: Job) -> None:
    found = run(golden_job)
    positions = {"pooler": 3, "logits.nsp": 3, "logits.mlm": 24}
    for kind in KINDS:
        for tap in TAPS:
            one = read(found, tap, kind)
            counted = one.token[one.judged]
            assert counted.size == positions.get(tap, 88), tap
            assert (one.token > 0).all(), tap
            assert one.channel.sum() == pytest.approx(counted.sum() * len(one.channel), rel=1e-9), tap
            assert one.white.sum() == pytest.approx(counted.size * len(one.channel), rel=1e-9), tap


def test_fewer_than_64_tokens_get_more_seeds(golden_job: Job, tmp_path: Path) -> None:
    fed = read_batch(golden_job.inputs[0]).inputs
    write_batch(tmp_path / "short.safetensors", TraceBatch({}, {name: array[2:] for name, array in fed.items()}))
    opened = floor_runtime.open(dataclasses.replace(golden_job, inputs=(tmp_path / "short.safetensors",)))
    assert opened.describe()["seeds"] == "8"
    opened.close()


@pytest.mark.parametrize(("row", "place"), [(1, 2), (2, 35)], ids=["real", "padding"])
def test_a_row_that_begins_uniform_is_marked_from_there_on(
    golden_job: Job, tmp_path: Path, row: int, place: int
) -> None:
    held, fed = read_source(golden_job.artifact / PREFIX), dict(read_batch(golden_job.inputs[0]).inputs)
    there = fed["input_ids"] == fed["input_ids"][row, place]
    real = fed["attention_mask"] == 1
    assert (there & real)[:, place].sum() == real[row, place]
    held["bert/embeddings/word_embeddings"][fed["input_ids"][row, place]] = 0
    held["bert/embeddings/position_embeddings"][place] = 1.7
    held["bert/embeddings/token_type_embeddings"][:] = 0
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()]
    write_bundle(tmp_path / PREFIX, specs, held.values())
    found = run(job_of(golden_job.artifact, tmp_path / PREFIX, tmp_path))
    marked = {kind: {tap: rows_of(read(found, tap, kind).reported) for tap in TAPS} for kind in KINDS}
    nobody, only_it = [False] * 3, [number == row and bool(real[row, place]) for number in range(3)]
    assert marked["accumulated"] == dict.fromkeys(TAPS, only_it)
    assert marked["own"] == {tap: only_it if tap == "embeddings" else nobody for tap in TAPS}
    assert not read(found, "layer.0", "accumulated").reported[~real].any()
    assert pooled(found, "embeddings", "own").positions == 88 - (real[row].sum() if real[row, place] else 0)


def rows_of(marked: Array) -> list[bool]:
    flags: list[bool] = marked.reshape(len(marked), -1).any(axis=1).tolist()
    return flags


def test_a_logit_position_that_repeats_another_is_no_second_token(golden_job: Job) -> None:
    fed = dict(read_batch(golden_job.inputs[0]).inputs)
    fed["logit_positions"] = np.array([[3, 3, 1, 3], [0, 1, 2, 3], [4, 4, 4, 4]], np.int32)
    found = read(run(golden_job, fed), "logits.mlm", "own")
    expected = [[True, False, True, False], [True] * 4, [True, False, False, False]]
    np.testing.assert_array_equal(found.judged, expected)
    assert not found.reported.any()


def test_what_does_not_fit_is_told_before_anything_runs(golden_job: Job) -> None:
    for message, fields in {
        "not an array of a floor trace": {"taps": ("layer.0",)},
        r"no tap layer\.9": {"taps": names(["layer.9"])},
        r"no tap layer\.8": {"settings": {"restart": "layer.8"}},
        "no setting dice": {"settings": {"dice": "1"}},
        "not a number of seeds": {"settings": {"seeds": "none"}},
        "not a number of seeds.*0": {"settings": {"seeds": "0"}},
        "does not compute in bfloat16": {"precision": "bfloat16"},
    }.items():
        with pytest.raises(ParityError, match=message):
            floor_runtime.open(dataclasses.replace(golden_job, **fields))
