from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from parity.checkpoints import open_checkpoint, write_bundle
from parity.checkpoints.entry import MOST_AXES
from parity.checkpoints.slices import slice_key
from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec

from .support import DATA, EXPECTED, GOLDENS, box, content, edit, edited, pairs_of, put_pairs, read, shape, small, write

KERNEL = b"bert/pooler/dense/kernel"
INDEX, SHARD = "model.ckpt.index", "model.ckpt.data-00000-of-00001"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write(tmp_path / "model.ckpt", small())
    return tmp_path


@pytest.fixture
def spread(tmp_path: Path) -> Path:
    """A copy of what TensorFlow wrote over three data files, one variable in three parts."""
    return Path(shutil.copytree(DATA / "three_shards", tmp_path / "spread"))


def refused(path: Path) -> str:
    """The message of the refusal; it names a file and a remedy."""
    with pytest.raises(ParityError) as caught:
        read(path)
    assert caught.value.where is not None
    assert str(path.parent) in str(caught.value.where)
    assert caught.value.remedy
    return str(caught.value)


def fingerprint(array: Array) -> dict[str, object]:
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_reads_what_tensorflow_wrote(case: str) -> None:
    with open_checkpoint(DATA / case) as checkpoint:
        numeric = [name for name, entry in checkpoint.entries.items() if entry.dtype != "string"]
        arrays = {name: checkpoint.read(name) for name in numeric}
    assert {name: fingerprint(array) for name, array in arrays.items()} == EXPECTED[case]
    assert all(array.flags.c_contiguous and array.flags.owndata and array.dtype.isnative for array in arrays.values())


@pytest.mark.parametrize("case", ["bert_pretrain_erf", "bert_cyrillic"])
def test_reads_the_original_authors_checkpoints(case: str) -> None:
    wanted = json.loads((GOLDENS / case / "meta.json").read_text())["variables"]
    arrays = read(GOLDENS / case / "bert_model.ckpt")
    assert arrays.keys() == wanted.keys()
    for name, array in arrays.items():
        assert fingerprint(array).items() <= wanted[name].items(), name


def test_entries_describe_every_tensor() -> None:
    with open_checkpoint(DATA / "three_shards") as checkpoint:
        entries = checkpoint.entries
        assert list(entries) == ["first", "second", "spread"]
        spread = entries["spread"]
        assert (spread.dtype, spread.shape, spread.nbytes) == ("float32", (10, 4), 160)
        assert (spread.shards, spread.slices) == ((0, 1, 2), 3)
        assert (entries["second"].dtype, entries["second"].shards, entries["second"].slices) == ("int16", (0,), 1)
        assert checkpoint.format == "tensorflow-v2"
        assert checkpoint.prefix == DATA / "three_shards" / "model.ckpt"
        assert [file.suffix for file in checkpoint.files] == [".index", *(f".data-0000{i}-of-00003" for i in range(3))]


def test_strings_are_listed_but_never_read_as_numbers() -> None:
    with open_checkpoint(DATA / "strings") as checkpoint:
        assert (checkpoint.entries["words"].dtype, checkpoint.entries["words"].shape) == ("string", (2,))
        with pytest.raises(ParityError, match="words holds strings"):
            checkpoint.read("words")


def test_unknown_name_and_closed_checkpoint(bundle: Path) -> None:
    checkpoint = open_checkpoint(bundle)
    with pytest.raises(ParityError, match=r"no tensor bert/pooler/dense/kernal.*bert/pooler/dense/kernel"):
        checkpoint.read("bert/pooler/dense/kernal")
    checkpoint.close()
    with pytest.raises(ParityError, match="closed"):
        checkpoint.read("global_step")
    checkpoint.close()


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    arrays = {f"w{i}": np.full((300, 1_000), i, np.float32) for i in range(8)}
    write(tmp_path / "model.ckpt", arrays, shards=2)
    wrong: list[str] = []

    def work(checkpoint: object, names: list[str]) -> None:
        wrong.extend(name for name in names if not np.array_equal(checkpoint.read(name), arrays[name]))  # type: ignore[attr-defined]

    with open_checkpoint(tmp_path) as checkpoint:
        rounds = (sorted(arrays), sorted(arrays, reverse=True)) * 2
        threads = [threading.Thread(target=work, args=(checkpoint, names)) for names in rounds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_reading_copies_nothing(tmp_path: Path) -> None:
    array = np.arange(2_000_000, dtype=np.float32)
    write(tmp_path / "model.ckpt", {"w": array})
    with open_checkpoint(tmp_path) as checkpoint:
        tracemalloc.start()
        try:
            checkpoint.read("w")
            assert tracemalloc.get_traced_memory()[1] < 1.1 * array.nbytes
        finally:
            tracemalloc.stop()


def test_no_framework_is_imported() -> None:
    script = (
        "import sys, parity.checkpoints; print([m for m in ('tensorflow', 'torch', 'ml_dtypes') if m in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


# Damage and mix-ups


def test_flipped_data_byte(bundle: Path) -> None:
    data = bytearray((bundle / SHARD).read_bytes())
    data[3] ^= 1
    (bundle / SHARD).write_bytes(data)
    assert "word_embeddings do not match the checksum" in refused(bundle)
    with open_checkpoint(bundle) as checkpoint:
        assert checkpoint.read("bert/embeddings/word_embeddings", verify=False).shape == (5, 4)


def test_flipped_byte_in_one_slice(spread: Path) -> None:
    shard = spread / "model.ckpt.data-00001-of-00003"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 128
    shard.write_bytes(data)
    assert shard.name in (message := refused(spread))
    assert "tensor spread" in message


def test_index_of_another_checkpoint(bundle: Path, tmp_path: Path) -> None:
    other = {name: array + 1 for name, array in small().items()}
    (tmp_path / "other").mkdir()
    index, _ = write(tmp_path / "other" / "model.ckpt", other)
    shutil.copy(index, bundle / INDEX)
    assert "belongs to another checkpoint" in refused(bundle)


@pytest.mark.parametrize("size", [0, 1, 119])
def test_truncated_data(bundle: Path, size: int) -> None:
    with (bundle / SHARD).open("r+b") as file:
        file.truncate(size)
    assert f"{SHARD} ends before tensor global_step does" in refused(bundle)


def test_data_that_shrinks_while_open(bundle: Path) -> None:
    with open_checkpoint(bundle) as checkpoint:
        with (bundle / SHARD).open("r+b") as file:
            file.truncate(100)
        with pytest.raises(ParityError, match="ended while it was read"):
            checkpoint.read("bert/pooler/dense/kernel")
        (bundle / SHARD).unlink()
        with pytest.raises(ParityError, match="cannot be read"):
            checkpoint.read("global_step")


def test_truncated_and_empty_index(bundle: Path) -> None:
    data = (bundle / INDEX).read_bytes()
    (bundle / INDEX).write_bytes(data[:-1])
    assert "its end is missing" in refused(bundle)
    (bundle / INDEX).write_bytes(b"")
    assert "an empty file" in refused(bundle)


def test_missing_data_files_are_all_named(spread: Path) -> None:
    for shard in (0, 2):
        (spread / f"model.ckpt.data-0000{shard}-of-00003").unlink()
    message = refused(spread)
    assert "model.ckpt.data-00000-of-00003 is missing" in message
    assert "model.ckpt.data-00002-of-00003 is missing" in message
    assert "00001-of-00003" not in message


@pytest.mark.parametrize("name", ["model.ckpt", "weights.bin", "model.ckpt.data-00000-of-00002"])
def test_renamed_data_file_is_recognised_by_its_size(bundle: Path, name: str) -> None:
    (bundle / SHARD).rename(bundle / name)
    assert f"rename {name} to {SHARD}" in refused(bundle)


def test_data_file_that_is_a_folder(bundle: Path) -> None:
    (bundle / SHARD).unlink()
    (bundle / SHARD).mkdir()
    assert "missing" in refused(bundle)


def test_object_based_checkpoint() -> None:
    message = refused(DATA / "object_based" / "model.ckpt")
    assert "TensorFlow 2 object-based checkpoint" in message
    assert "tf.compat.v1.train.Saver" in message


@pytest.mark.parametrize("path", ["v1", "v1/model.ckpt", "v1_sharded", "v1_sharded/model.ckpt"])
def test_v1_checkpoint(path: str) -> None:
    message = refused(DATA / path)
    assert "TensorFlow V1 checkpoint" in message
    assert "SaverDef.V2" in message


# What an index may claim, with checksums that hold


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"f1": 0}, "dtype is none"),
        ({"f1": 99}, "dtype is none"),
        ({"f1": -1}, "dtype is none"),
        ({"f1": 1}, "size is not that of its shape"),
        ({"f2": shape(4, 5)}, "size is not that of its shape"),
        ({"f2": shape(-4, -4)}, "negative extent"),
        ({"f2": shape(4, -1)}, "negative extent"),
        ({"f2": shape(2**62, 4)}, "beyond any memory"),
        ({"f2": shape(*[2**62] * 64), "f5": 32}, "beyond any memory"),
        ({"f2": shape(0, 2**62), "f5": None}, "beyond any memory"),
        ({"f2": shape(*[1] * (MOST_AXES + 1))}, "rank is unknown or too large"),
        ({"f2": b"\x18\1"}, "rank is unknown or too large"),
        ({"f2": b"\x12\x7f"}, "longer than itself"),
        ({"f2": b"\x12\x0b\x08" + b"\xff" * 10}, "longer than 64 bits"),
        ({"f2": None}, "size is not that of its shape"),
        ({"f3": 1}, "data file does not exist"),
        ({"f3": -1}, "data file does not exist"),
        ({"f3": 2**31}, "data file does not exist"),
        ({"f4": -80}, "place in the data file is negative"),
        ({"f4": 2**63 - 1}, "ends before tensor"),
        ({"f4": 2**62}, "ends before tensor"),
        ({"f4": 100}, "share bytes|ends before"),
        ({"f4": 0}, "share bytes"),
        ({"f5": 2**62}, "size is not that of its shape"),
        ({"f5": -32}, "place in the data file is negative"),
        ({"f5": None}, "size is not that of its shape"),
        ({"f6": 0}, "do not match the checksum"),
        ({"f7": box((0, 2), (0, 4))}, "slices is missing"),
        ({"f7": b"\x0a\x7f"}, "longer than itself"),
        ({"f7": b""}, "another rank"),
    ],
)
def test_entry_that_cannot_be(bundle: Path, fields: dict[str, object], message: str) -> None:
    edit(bundle / INDEX, KERNEL, **fields)
    with pytest.raises(ParityError, match=message):
        read(bundle)
    assert refused(bundle)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"f1": None}, "number of data files cannot be"),
        ({"f1": -1}, "number of data files cannot be"),
        ({"f1": 2**31 - 1}, "number of data files cannot be"),
        ({"f1": 2}, "model.ckpt.data-00000-of-00002 is missing"),
        ({"f2": 1}, "big-endian.*little-endian machine"),
        ({"f3": b"\x08\x02\x10\x02"}, "newer reader"),
    ],
)
def test_header_that_cannot_be(bundle: Path, fields: dict[str, object], message: str) -> None:
    edit(bundle / INDEX, b"", **fields)
    with pytest.raises(ParityError, match=message):
        read(bundle)
    assert refused(bundle)


def test_index_without_header_or_with_a_name_that_is_no_text(bundle: Path) -> None:
    pairs = pairs_of(bundle / INDEX)
    put_pairs(bundle / INDEX, pairs[1:])
    assert "does not begin with a bundle's header" in refused(bundle)
    put_pairs(bundle / INDEX, [*pairs, (b"w\xff\n", pairs[1][1])])
    assert "its name is not UTF-8" in (message := refused(bundle))
    assert "\n" not in message
    put_pairs(bundle / INDEX, [])
    assert "does not begin" in refused(bundle)


def test_many_faults_are_one_message(bundle: Path) -> None:
    pairs = pairs_of(bundle / INDEX)
    put_pairs(bundle / INDEX, [pairs[0], *((key, edited(value, {1: 99})) for key, value in pairs[1:])])
    message = refused(bundle)
    assert "3 problems" in message
    assert all(name in message for name in small())


def test_faults_without_end_are_not_collected(tmp_path: Path) -> None:
    write(tmp_path / "model.ckpt", {f"w{i}": np.zeros(1, np.int8) for i in range(100)})
    pairs = pairs_of(tmp_path / INDEX)
    put_pairs(tmp_path / INDEX, [pairs[0], *((key, edited(value, {1: 99})) for key, value in pairs[1:])])
    assert "20 problems" in refused(tmp_path)


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        ([box((0, 4), (0, 4)), box((4, 3), (0, 4))], "do not tile"),
        ([box((0, 4), (0, 4)), box((4, 3), (0, 4)), box((4, 3), (0, 4))], "missing, or is listed twice"),
        ([box((0, 4), (0, 4)), box((4, 3), (0, 4)), box((7, 4), (0, 4))], "reaches out"),
        ([box((0, 4), (0, 4)), box((4, 3), (0, 4)), box((6, 4), (0, 4))], "is missing"),
        ([box((0, 4)), box((4, 3)), box((7, 3))], "another rank"),
    ],
)
def test_slices_that_do_not_make_the_tensor(spread: Path, slices: list[bytes], message: str) -> None:
    edit(spread / INDEX, b"spread", f7=slices)
    with pytest.raises(ParityError, match=message):
        read(spread)
    assert refused(spread)


def test_slice_of_another_dtype_shape_or_owner(spread: Path) -> None:
    before = (spread / INDEX).read_bytes()
    key = slice_key("spread", ((4, 3), (0, 4)))
    for fields in ({"f1": 3}, {"f2": shape(4, 3)}, {"f7": box((4, 3), (0, 4))}):
        edit(spread / INDEX, key, **fields)
        assert "another dtype or shape" in refused(spread)
        (spread / INDEX).write_bytes(before)
    edit(spread / INDEX, b"spread", f1=7)
    assert "partitioned string tensor" in refused(spread)
    put_pairs(spread / INDEX, [pair for pair in pairs_of(DATA / "three_shards" / INDEX) if pair[0] != b"spread"])
    assert "slices that belong to no tensor" in refused(spread)


def test_slices_stored_as_whole_extents(bundle: Path) -> None:
    """A length that is left out takes the whole axis, in the entry and in the key."""
    pairs = dict(pairs_of(bundle / INDEX))
    whole = pairs[KERNEL]
    pairs[slice_key(KERNEL.decode(), ((0, -1), (0, -1)))] = whole
    pairs[KERNEL] = edited(whole, {4: None, 5: None, 6: None, 7: b"\x0a\0\x0a\0"})
    put_pairs(bundle / INDEX, sorted(pairs.items()))
    assert content(read(bundle)) == content(small())


def test_index_that_is_too_large_is_not_read(bundle: Path) -> None:
    with (bundle / INDEX).open("r+b") as file:
        file.truncate(1 << 40)
    assert "too large for an index" in refused(bundle)


def test_sparse_file_as_large_as_claimed_costs_no_memory(bundle: Path) -> None:
    with (bundle / SHARD).open("r+b") as file:
        file.truncate(1 << 43)
    edit(bundle / INDEX, b"global_step", f2=shape(1 << 39), f5=1 << 42)
    with open_checkpoint(bundle) as checkpoint, pytest.raises(ParityError, match="does not fit into memory"):
        checkpoint.read("global_step")


def test_unreadable_index(bundle: Path) -> None:
    (bundle / INDEX).unlink()
    (bundle / INDEX).mkdir()
    assert refused(bundle / INDEX)


def test_opening_takes_little_memory(tmp_path: Path) -> None:
    specs = [TensorSpec(f"bert/encoder/layer_{i}/attention/self/query/kernel", "float32", (1,)) for i in range(2_000)]
    index, _ = write_bundle(tmp_path / "model.ckpt", specs, (np.zeros(1, np.float32) for _ in specs))
    tracemalloc.start()
    try:
        open_checkpoint(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 60 * index.stat().st_size
    finally:
        tracemalloc.stop()
