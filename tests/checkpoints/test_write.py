from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from parity.checkpoints import open_checkpoint, write_bundle
from parity.checkpoints.entry import CODES
from parity.checkpoints.index import read_index
from parity.errors import ParityError
from parity.tensorfile import Array, TensorSpec, numpy_dtype

from .support import DATA, GOLDENS, content, read, small, write

DTYPES = sorted(set(CODES) - {"string"})
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: not name.startswith("\0") and "/.ATTRIBUTES/" not in name
)


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, Array]:
    arrays = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=8)):
        dtype = numpy_dtype(draw(st.sampled_from(DTYPES)))
        shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
        size = int(np.prod(shape)) * dtype.itemsize
        raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
        array = (raw & 1 if dtype.kind == "b" else raw.copy()).view(dtype).reshape(shape)
        arrays[name] = array.T.copy().T if draw(st.booleans()) else array
    return arrays


@settings(max_examples=80, deadline=None, derandomize=True)
@given(tensors(), st.integers(1, 4))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Array], shards: int) -> None:
    folder = tmp_path_factory.mktemp("law")
    files = write(folder / "m", arrays, shards=shards)
    assert sorted(files) == sorted(folder.iterdir())
    assert len(files) == shards + 1
    assert content(read(folder)) == content(arrays)
    with open_checkpoint(folder) as checkpoint:
        assert set(checkpoint.files) <= set(files)
        assert all(entry.nbytes == arrays[name].nbytes for name, entry in checkpoint.entries.items())


@pytest.mark.parametrize("folder", [DATA / "dtypes", GOLDENS / "bert_cyrillic", GOLDENS / "bert_pretrain_erf"])
def test_writes_the_very_bytes_tensorflow_wrote(folder: Path, tmp_path: Path) -> None:
    with open_checkpoint(folder) as checkpoint:
        _, stored = read_index(checkpoint.files[0].read_bytes())
        in_file = sorted(stored, key=lambda name: (stored[name].pieces[0].offset, stored[name].nbytes))
        arrays = {name: checkpoint.read(name) for name in in_file}
        written = write(tmp_path / checkpoint.prefix.name, arrays)
        assert [path.read_bytes() for path in written] == [path.read_bytes() for path in checkpoint.files]


def test_shards_share_the_bytes(tmp_path: Path) -> None:
    arrays = {f"w{i}": np.full(100, i, np.float32) for i in range(9)}
    files = write(tmp_path / "m", arrays, shards=3)
    assert [path.name for path in files] == ["m.index", *(f"m.data-0000{i}-of-00003" for i in range(3))]
    assert [path.stat().st_size for path in files[1:]] == [1200, 1200, 1200]


def test_streams_one_tensor_at_a_time(tmp_path: Path) -> None:
    specs = [TensorSpec(f"w{i}", "float32", (250, 1000)) for i in range(12)]

    def arrays() -> Iterator[Array]:
        for _ in specs:
            yield np.zeros((250, 1000), np.float32)

    tracemalloc.start()
    try:
        write_bundle(tmp_path / "m", specs, arrays())
        assert tracemalloc.get_traced_memory()[1] < 1.5 * specs[0].nbytes
    finally:
        tracemalloc.stop()


def test_an_existing_checkpoint_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "m", {"old": np.ones(3, np.int8)})
    write(tmp_path / "m", small())
    assert content(read(tmp_path)) == content(small())


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 3), np.float64),
        np.ones((3, 2), np.float32),
        np.ones((2, 3), ">f4"),
        np.ones((2, 3), ml_dtypes.bfloat16),
    ],
)
def test_array_that_is_not_as_announced_leaves_everything_as_it_was(tmp_path: Path, array: Array) -> None:
    write(tmp_path / "m", small())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    specs = [TensorSpec("fine", "float32", (2, 3)), TensorSpec("wrong", "float32", (2, 3))]
    with pytest.raises(ParityError, match="tensor wrong is not as announced"):
        write_bundle(tmp_path / "m", specs, [np.ones((2, 3), np.float32), array])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_failure_while_replacing_leaves_no_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m", small(), shards=2)
    replace = Path.replace

    def full(path: Path, target: Path) -> Path:
        if "00001-of" in target.name:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ParityError, match="cannot be written: No space left"):
        write(tmp_path / "m", {name: array + 1 for name, array in small().items()}, shards=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.data-00000-of-00002", "m.data-00001-of-00002"]


def test_interruption_leaves_nothing(tmp_path: Path) -> None:
    def arrays() -> Iterator[Array]:
        yield np.ones(2, np.float32)
        raise KeyboardInterrupt

    specs = [TensorSpec("a", "float32", (2,)), TensorSpec("b", "float32", (2,))]
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "m", specs, arrays(), shards=2)
    for count in (0, 1, 3):
        with pytest.raises(ParityError, match=r"announced"):
            write_bundle(tmp_path / "m", specs, [np.ones(2, np.float32)] * count)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("", "float32", ()),
        TensorSpec("\0slice", "float32", ()),
        TensorSpec("\ud800", "float32", ()),
        TensorSpec("_CHECKPOINTABLE_OBJECT_GRAPH", "float32", ()),
        TensorSpec("model/kernel/.ATTRIBUTES/VARIABLE_VALUE", "float32", ()),
        TensorSpec("w", "string", ()),
        TensorSpec("w", "complex64", ()),
        TensorSpec("w", "float32", (-1,)),
        TensorSpec("w", "float32", (1,) * 65),
        TensorSpec("twice", "float32", ()),
    ],
)
def test_tensor_that_no_bundle_holds_is_refused_before_anything_is_written(tmp_path: Path, spec: TensorSpec) -> None:
    specs = [TensorSpec("twice", "float32", ()), spec]
    with pytest.raises(ParityError, match=r"tensor .*: .*; rename or leave it out"):
        write_bundle(tmp_path / "m", specs, [np.zeros((), np.float32)] * 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shards", [0, -1, 100_000])
def test_number_of_shards(tmp_path: Path, shards: int) -> None:
    with pytest.raises(ParityError, match="number of data files"):
        write_bundle(tmp_path / "m", [], [], shards=shards)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="cannot be written: No such file"):
        write(tmp_path / "no" / "m", small())
