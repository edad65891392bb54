"""The floor as a runtime: float32 noise is float64 noise, and what TensorFlow itself computed lies within it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CYRILLIC, ERF, PREFIX, read_source

from parity.backends import floor as floor_runtime
from parity.backends import oracle as oracle_runtime
from parity.backends.job import Job
from parity.checkpoints import write_bundle
from parity.errors import ParityError
from parity.measure.floor import KINDS, Floor, FloorBatch, Kind, names, pool, read
from parity.measure.judgement import judge
from parity.measure.limits import Groups
from parity.measure.noise import Errors
from parity.tensorfile import Array, TensorSpec
from parity.traces import TraceBatch, read_batch, write_batch

TAPS = ("embeddings", "layer.0", "layer.1", "layer.2", "pooler", "logits.mlm", "logits.nsp")


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


def test_a_row_that_is_fed_thrice_has_no_more_independent_tokens(golden_job: Job) -> None:
    fed = {name: array[:1] for name, array in read_batch(golden_job.inputs[0]).inputs.items()}
    job = dataclasses.replace(golden_job, settings={"seeds": "8"})
    once, thrice = (run(job, {name: np.repeat(array, n, axis=0) for name, array in fed.items()}) for n in (1, 3))
    for tap in ("layer.1", "logits.mlm"):
        one, three = (pooled(found, tap, "accumulated") for found in (once, thrice))
        assert three.positions == 3 * one.positions
        assert three.freedom == pytest.approx(one.freedom, rel=1e-9)


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
