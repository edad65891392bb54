"""The safetensors writer and reader: round trips, agreement with the library, and files that lie about themselves."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec, map_tensors, numpy_dtype, read_specs, write_tensors

WIDTHS = (8, 16, 32, 64)
INTEGERS = [f"{sign}int{width}" for sign in ("", "u") for width in WIDTHS]
DTYPES = ["float64", "float32", "float16", "bfloat16", "bool", *INTEGERS]
EVERY_WAY = {
    "whole": lambda a: a,
    "turned": lambda a: a.T,
    "stepped": lambda a: a[::2, ::-1],
    "spread": lambda a: np.broadcast_to(a[:1], a.shape),
    "fortran": np.asfortranarray,
}


def write(path: Path, tensors: dict[str, Array], **options: Any) -> None:
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]
    write_tensors(path, specs, iter(tensors.values()), **options)


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def raw(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(head) if length is None else length).to_bytes(8, "little") + head + data)
    return path


@pytest.mark.parametrize("layout", EVERY_WAY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_in_every_memory_layout_comes_back_bit_for_bit(tmp_path: Path, dtype: str, layout: str) -> None:
    values = np.random.default_rng(3).integers(0, 256, (6, 4 * numpy_dtype(dtype).itemsize), np.uint8)
    whole = (values % 2).astype(bool) if dtype == "bool" else values.view(numpy_dtype(dtype))
    array = EVERY_WAY[layout](whole)
    write(tmp_path / "t", {"a": array, "b": whole})
    back = map_tensors(tmp_path / "t")
    assert list(back) == ["a", "b"]
    assert same(back["a"], array)
    assert same(back["b"], whole)
    assert not back["a"].flags.writeable


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tensors=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.sampled_from([np.float32, np.int64, np.uint8, np.float64]).flatmap(
            lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
        ),
        max_size=5,
    ),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
)
def test_whatever_is_written_is_read_here_and_by_the_library(
    tmp_path: Path, tensors: dict[str, Array], metadata: dict[str, str]
) -> None:
    path = tmp_path / "t.safetensors"
    write(path, tensors, metadata=metadata)
    assert read_specs(path)[0] == metadata
    for back in (map_tensors(path), safetensors.numpy.load_file(path)):
        assert back.keys() == tensors.keys()
        assert all(same(back[name], array) for name, array in tensors.items())


def test_the_library_reads_bfloat16_and_metadata_as_written(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    array = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    write(path, {"half": array.T}, metadata={"format": "pt"})
    with safetensors.safe_open(path, framework="numpy") as opened:
        assert opened.metadata() == {"format": "pt"}
        assert opened.get_slice("half").get_dtype() == "BF16"
        assert same(opened.get_tensor("half"), array.T)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {"b": np.arange(5, dtype=np.uint8), "a": np.ones((2, 3), np.float32), "c": np.zeros((0, 2), np.float64)}
    safetensors.numpy.save_file(tensors, tmp_path / "t")
    back = map_tensors(tmp_path / "t")
    assert all(same(back[name], array) for name, array in tensors.items())


def test_a_tensor_that_starts_at_an_odd_byte_is_read(tmp_path: Path) -> None:
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    path = raw(tmp_path / "t", header, b"\7" + np.array([1.5, -2], np.float32).tobytes())
    np.testing.assert_array_equal(map_tensors(path)["b"], [1.5, -2])


def test_byte_order_is_the_files_and_not_the_arrays(tmp_path: Path) -> None:
    write(tmp_path / "t", {"a": np.array([1, 2, 3], ">f4"), "b": np.array([258], ">i2")})
    np.testing.assert_array_equal(map_tensors(tmp_path / "t")["a"], np.array([1, 2, 3], np.float32))
    np.testing.assert_array_equal(map_tensors(tmp_path / "t")["b"], [258])


def test_each_is_called_with_what_was_written_in_order(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    specs = [TensorSpec("b", "float32", (3, 2)), TensorSpec("a", "float32", (2, 3))]
    write_tensors(
        tmp_path / "t", specs, [array.T, array], each=lambda spec, found: seen.append((spec.name, found.tobytes()))
    )
    assert seen == [("b", array.T.tobytes()), ("a", array.tobytes())]


@pytest.mark.parametrize("array", [np.zeros((3, 2), np.float32), np.zeros((2, 3), np.float64), np.zeros(5, np.float32)])
def test_an_array_that_is_not_as_announced_is_refused(tmp_path: Path, array: Array) -> None:
    with pytest.raises(ParityError, match=r"tensor a changed while being written.*expected float32\(2, 3\)"):
        write_tensors(tmp_path / "t", [TensorSpec("a", "float32", (2, 3))], [array])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ParityError("damaged")])
def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path, error: Any) -> None:
    path = tmp_path / "t"
    write(path, {"old": np.ones(1)})
    before = path.read_bytes()

    def supply() -> Iterator[Array]:
        yield np.zeros(3, np.float32)
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        write_tensors(path, [TensorSpec("a", "float32", (3,)), TensorSpec("b", "float32", (3,))], supply())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_returns_other_bytes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def lossy(descriptor: int, data: Any) -> int:
        damaged = bytearray(data)
        damaged[-1] ^= 1
        return write_through(descriptor, damaged)

    write_through = os.write
    monkeypatch.setattr(os, "write", lossy)
    with pytest.raises(ParityError, match=r"tensor a reads back with other bytes.*check the disk"):
        write(tmp_path / "t", {"a": np.ones(3)})
    assert not list(tmp_path.iterdir())
    write(tmp_path / "t", {"a": np.ones(3)}, read_back=False)


def entry(**fields: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | fields}


TWO = {"b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}}
LIES: dict[str, tuple[Any, bytes]] = {
    "not JSON": (b"{", b""),
    "not text": (b'{"\xff": 1}', b""),
    "nested beyond sense": (b"[" * 200_000, b""),
    "a list": ([], b""),
    "entry is no object": ({"a": 3}, b""),
    "metadata is a list": ({"__metadata__": [1]}, b""),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b""),
    "no offsets": ({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "unknown dtype": (entry(dtype="F33"), bytes(8)),
    "dtype is a list": (entry(dtype=["F32"]), bytes(8)),
    "shape is text": (entry(shape="2"), bytes(8)),
    "shape is a fraction": (entry(shape=[2.0]), bytes(8)),
    "shape is true": (entry(shape=[True], dtype="F64"), bytes(8)),
    "shape is infinite": (b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}', bytes(8)),
    "shape is negative": (entry(shape=[-1, -2]), bytes(8)),
    "shape is not the data's": (entry(shape=[3]), bytes(12)),
    "shape is huge": (entry(shape=[1 << 62]), bytes(8)),
    "shape is huge and empty": (entry(shape=[1 << 62, 0], data_offsets=[0, 0]), b""),
    "shape is large and empty": (entry(shape=[1 << 47, 1 << 47, 0], data_offsets=[0, 0]), b""),
    "shape has a hundred axes": (entry(shape=[1] * 100, data_offsets=[0, 4]), bytes(4)),
    "a name without end": ({"n" * 100_000: 3}, b""),
    "three offsets": (entry(data_offsets=[0, 8, 8]), bytes(8)),
    "offsets turned": (entry(data_offsets=[8, 0]), bytes(8)),
    "offsets are negative": (entry(data_offsets=[-8, 0]), bytes(8)),
    "offsets into the header": (entry(data_offsets=[-4, 4]), bytes(8)),
    "offsets beyond the file": (entry(data_offsets=[8, 16]), bytes(8)),
    "offsets beyond everything": (entry(data_offsets=[1 << 70, (1 << 70) + 8]), bytes(8)),
    "overlap": ({**entry(), "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)),
    "the same bytes twice": ({**entry(), "b": entry()["a"]}, bytes(8)),
    "a hole": ({**entry(), "b": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}}, bytes(16)),
    "bytes before the first": (entry(data_offsets=[4, 12]), bytes(12)),
    "bytes after the last": ({**entry(), **TWO}, bytes(13)),
    "truncated": ({**entry(), **TWO}, bytes(11)),
    "a name twice": (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        bytes(1),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_by_name(tmp_path: Path, lie: str) -> None:
    header, data = LIES[lie]
    path = raw(tmp_path / "t", header, data)
    for read in (read_specs, map_tensors):
        with pytest.raises(ParityError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "; " in message, "no remedy"
        assert len(message) < 500


@pytest.mark.parametrize("content", [b"", b"\1", b"\0" * 7, b"\2\0\0\0\0\0\0\0{", b"\377" * 8, b"\377" * 4096])
def test_a_header_longer_than_the_file_is_not_believed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises(ParityError, match="header"):
        read_specs(path)


def test_no_size_is_allocated_before_it_is_checked(tmp_path: Path) -> None:
    claims = [
        raw(tmp_path / "length", {}, length=99_000_000),
        raw(tmp_path / "shape", entry(shape=[1 << 40], data_offsets=[0, 4 << 40]), bytes(8)),
    ]
    tracemalloc.start()
    try:
        for path in claims:
            with pytest.raises(ParityError):
                map_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ParityError, match=path.name):
            read_specs(path)


def test_names_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    write(tmp_path / "t", {"a": np.ones(1), "b": np.ones(1)})
    assert list(map_tensors(tmp_path / "t", ["b"])) == ["b"]
    with pytest.raises(ParityError, match=r"no tensor x, y .*expected one of a, b"):
        map_tensors(tmp_path / "t", ["x", "a", "y"])
